/** Every bound of `home/`, with its unit and reason. */

/** Bytes of a PKCS#8 PEM file: an Ed25519 key takes 119. */
export const maxIdentityFileBytes = 4096;

/** Bytes of `config.yaml`: a few dozen settings. */
export const maxConfigFileBytes = 64 * 1024;

/** Bytes of `home.json`: role and version. */
export const maxMarkerFileBytes = 1024;

/** Bytes of a passphrase file with its newline: forty words fit four times over. */
export const maxPassphraseFileBytes = 1024;

/** Bytes of the binary payload of a share file: 600 shares with the longest channel name; one age chunk (65,536 bytes) holds it. */
export const maxSharePayloadBytes = 60 * 1024;

/** Bytes of a share file: the payload, and 4 KiB for age's header, nonce and tag. */
export const maxShareFileBytes = maxSharePayloadBytes + 4096;

/** Bytes of a key file: age identities of 74 characters, each with a line about it, and age's header; about 1,500. */
export const maxKeyFileBytes = 4096;

/** Keys that wait for a share that is stored while nobody knows the passphrase. They are in one file, which costs one guess at it. */
export const spareKeys = 8;

/** Bytes of the file by which a passphrase is changed: key files of 64 ceremonies, in base64. */
export const maxRekeyBytes = 64 * 2 * maxKeyFileBytes;

/** Bytes of a backup: certificate, documents and journal of a large group, in base64. */
export const maxBackupBytes = 32 * 1024 * 1024;

/** Bytes of one request to the age child: a backup with a mask as long as it is. */
export const maxPipeBytes = 2 * maxBackupBytes + 8192;

/** Log2 of scrypt's N in key files and backups that we make: age's own default, 256 MiB and about a second for each guess. */
export const scryptWorkFactor = 18;

/** Characters of a file's name that its temporary file repeats, for a person who finds one: up to 128 bytes of the 255 that a name may have. */
export const maxTemporaryNameCharacters = 32;
/** Bytes of a control socket's path. The kernel's structure has 108, and some systems 104. */
export const maxSocketPathBytes = 100;
/** Bytes of one command on the control socket: a reason of 500 characters. */
export const maxCommandBytes = 16 * 1024;
/** Connections to the control socket at once. */
export const maxControlConnections = 32;
/** Milliseconds for sending a command. */
export const commandTimeoutMs = 10_000;

/** Bytes of what a home remembers of a group's documents: a line for each count, and revocations of a few KiB each. */
export const maxSeenFileBytes = 4 * 1024 * 1024;
