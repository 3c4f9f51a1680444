//! No text makes the reader of encrypted texts panic, nor is one decrypted that nobody encrypted.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portmap_deploy::vault::{self, Secrets};
use zeroize::Zeroizing;

fuzz_target!(|data: &[u8]| {
    let mut secrets = Secrets::default();
    secrets.add(None, Zeroizing::new(b"password".to_vec()));
    let body = [b"$ANSIBLE_VAULT;1.1;AES256\n", data].concat();
    for text in [data, &body] {
        assert!(secrets.decrypt(text).is_err());
    }
    let _ = vault::is_encrypted(data);
    let _ = vault::script_password(data);
    let _ = vault::typed_password(data);
    let _ = Secrets::default().file_password(data);
});
