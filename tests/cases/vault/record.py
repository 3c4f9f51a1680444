#!/usr/bin/env python3
"""Records what Ansible makes of encrypted texts, into cases.json beside this script.

Run it by the Python of an ansible-core installation: `PYTHON record.py`. The salts are fixed, so that the file only
changes where Ansible does. All passwords are those of these tests.
"""

import binascii
import json
import pathlib

from ansible.parsing import vault

SALT = b"a salt of thirty-two bytes, fixed"
RIGHT = [["default", "right"]]


def secrets(pairs):
    return [(name, vault.VaultSecret(password.encode())) for name, password in pairs]


def encrypted(plain, vault_id=None, password="right"):
    text = vault.VaultLib().encrypt(plain, vault.VaultSecret(password.encode()), vault_id=vault_id, salt=SALT)
    return text.decode()


def body(text):
    """The three lines within an encrypted text."""
    return binascii.unhexlify("".join(text.split("\n")[1:])).split(b"\n")


def with_body(lines):
    return "$ANSIBLE_VAULT;1.1;AES256\n" + binascii.hexlify(b"\n".join(lines)).decode() + "\n"


def answer(text, pairs):
    try:
        return {"plain": vault.VaultLib(secrets(pairs)).decrypt(text.encode()).decode("latin-1")}
    except Exception as error:
        return {"error": type(error).__name__}


def signed(ciphertext):
    """A text whose signature is right, whatever is in it."""
    key, mac_key, _ = vault.VaultAES256._gen_key_initctr(b"right", SALT)
    mac = vault.HMAC(mac_key, vault.hashes.SHA256(), vault.CRYPTOGRAPHY_BACKEND)
    mac.update(ciphertext)
    return with_body([binascii.hexlify(SALT), binascii.hexlify(mac.finalize()), binascii.hexlify(ciphertext)])


def cases():
    plain = encrypted("user: root\n")
    salt, mac, ciphertext = body(plain)
    header, rest = plain.split("\n", 1)
    first, second = rest.split("\n", 1)
    labelled = encrypted("labelled", "prod")
    both = [["prod", "wrong"], ["dev", "right"]]
    yield "plain", plain, RIGHT
    yield "empty", encrypted(""), RIGHT
    yield "one block", encrypted("0123456789abcdef"), RIGHT
    yield "long", encrypted("0123456789abcdef" * 100), RIGHT
    yield "not ASCII", encrypted("größe: 日本 🚀\n"), RIGHT
    yield "not UTF-8", encrypted(b"\xff\xfe\x00"), RIGHT
    yield "password not ASCII", encrypted("x", password="pässwörd"), [["default", "pässwörd"]]
    yield "long password", encrypted("x", password="p" * 200), [["default", "p" * 200]]
    yield "label", labelled, [["prod", "right"]]
    yield "label of another secret", labelled, both
    yield "label, first secret wrong", labelled, [["dev", "wrong"], ["prod", "right"]]
    yield "wrong password", plain, [["default", "wrong"]]
    yield "wrong passwords", labelled, [["prod", "wrong"], ["dev", "bad"]]
    yield "second secret of one name", plain, [["default", "wrong"], ["default", "right"]]
    yield "no secrets", plain, []
    yield "CRLF", plain.replace("\n", "\r\n"), RIGHT
    yield "CR", plain.replace("\n", "\r"), RIGHT
    yield "one line", header + "\n" + rest.replace("\n", ""), RIGHT
    yield "empty lines", header + "\n\n" + rest.replace("\n", "\n\n"), RIGHT
    yield "blanks in the header", "$ANSIBLE_VAULT ; 1.1 ;\tAES256  \n" + rest, RIGHT
    yield "indented", header + "\n  " + rest, RIGHT
    yield "blank at a line's end", header + "\n" + first + " \n" + second, RIGHT
    yield "line break before", "\n" + plain, RIGHT
    yield "upper case", header + "\n" + rest.upper(), RIGHT
    yield "more in the header", "$ANSIBLE_VAULT;1.2;AES256;a;b\n" + rest, RIGHT
    yield "unknown version", "$ANSIBLE_VAULT;9.9;AES256\n" + rest, RIGHT
    yield "header glued", "$ANSIBLE_VAULTX;1.1;AES256\n" + rest, RIGHT
    yield "old cipher", "$ANSIBLE_VAULT;1.0;AES\n" + rest, RIGHT
    yield "old cipher, no secrets", "$ANSIBLE_VAULT;1.0;AES\n" + rest, []
    yield "lower case cipher", "$ANSIBLE_VAULT;1.1;aes256\n" + rest, RIGHT
    yield "no cipher", "$ANSIBLE_VAULT;1.1\n" + rest, RIGHT
    yield "header only", header, RIGHT
    yield "header and line break", header + "\n", RIGHT
    yield "bare header", "$ANSIBLE_VAULT", RIGHT
    yield "nothing", "", RIGHT
    yield "no vault", "user: root\n", RIGHT
    yield "not ASCII behind", plain + "é", RIGHT
    yield "odd", plain.rstrip("\n")[:-1], RIGHT
    yield "no hexadecimal", header + "\nxyz\n", RIGHT
    yield "truncated", plain[: len(plain) // 2 // 2 * 2], RIGHT
    yield "last line missing", plain.rstrip("\n").rsplit("\n", 1)[0], RIGHT
    yield "two parts", with_body([salt, mac]), RIGHT
    yield "four parts", with_body([salt, mac, ciphertext, b"00"]), RIGHT
    yield "odd salt", with_body([salt[:-1], mac, ciphertext]), RIGHT
    yield "odd signature", with_body([salt, mac[:-1], ciphertext]), RIGHT
    yield "short signature", with_body([salt, mac[:-2], ciphertext]), RIGHT
    yield "empty signature", with_body([salt, b"", ciphertext]), RIGHT
    yield "other signature", with_body([salt, mac[:-2] + b"00", ciphertext]), RIGHT
    yield "other ciphertext", with_body([salt, mac, b"00" + ciphertext[2:]]), RIGHT
    yield "other salt", with_body([b"00" + salt[2:], mac, ciphertext]), RIGHT
    yield "odd ciphertext", with_body([salt, mac, ciphertext[:-1]]), RIGHT
    yield "signed, empty", signed(b""), RIGHT
    yield "signed, no whole block", signed(b"0123456"), RIGHT
    yield "signed, wrong padding", signed(b"0123456789abcdef"), RIGHT


if __name__ == "__main__":
    recorded = [{"name": name, "text": text, "secrets": pairs, "answer": answer(text, pairs)} for name, text, pairs in cases()]
    path = pathlib.Path(__file__).parent / "cases.json"
    path.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")
