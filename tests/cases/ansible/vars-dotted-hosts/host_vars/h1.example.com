bare: 1
