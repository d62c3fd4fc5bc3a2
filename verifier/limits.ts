/** Every bound of the verifier, with its unit and its reason. */

/** Artifacts in one statement: a large distribution fits, and a statement stays far below `maxPayloadBytes`. */
export const maxSubjects = 1024;

/** Bytes of one subject's name in UTF-8: NAME_MAX of every common file system. */
export const maxSubjectNameBytes = 255;

/** Bytes of a product or release in UTF-8: shown on one line. */
export const maxTextBytes = 255;

/** Bytes of a source's repository or ref in UTF-8: URLs are longer than names. */
export const maxSourceBytes = 1024;

/** Bytes of one envelope's payload: 1024 subjects whose names need escaping take 0.7 MiB. */
export const maxPayloadBytes = 1024 * 1024;

/** Characters of an envelope's payload type: the longest in use has 44. */
export const maxPayloadTypeChars = 128;

/** Characters of an envelope's key id, a name or a fingerprint. */
export const maxKeyIdChars = 128;

/** Bytes of a bundle file: a full statement in base64 (1.4 MiB), its delegation, and room. */
export const maxBundleBytes = 2 * 1024 * 1024;

/** Bytes of a delegation's payload; it has six short fields. */
export const maxDelegationBytes = 4096;

/** Revocations in one status: a channel or a product each, for all time. */
export const maxRevocations = 256;

/** Bytes of a status's payload: 256 revocations with their reasons take about 64 KiB. */
export const maxStatusBytes = 256 * 1024;

/** Documents in one status file: one, and what was signed beside it under the same number. */
export const maxStatuses = 16;

/** Bytes of a status file: two of the longest statuses in base64, and room. */
export const maxStatusFileBytes = 1024 * 1024;

/** Seconds by which a status may be dated ahead of this machine's clock: what a group's own members allow. */
export const maxStatusAheadSeconds = 300;

/** Bytes of an endorsement's payload: two names, two keys, a user id. */
export const maxEndorsementBytes = 4096;

/** Bytes of an endorsement file: two envelopes of such a payload in base64. */
export const maxEndorsementFileBytes = 16 * 1024;

/** Bytes of a file that holds one public key. */
export const maxKeyFileBytes = 4096;

/** Levels of objects and arrays in a bundle, a statement or a delegation; the deepest has four. */
export const maxDepth = 8;

/** Major and minor version of the oldest Node.js: the first with `util.parseArgs`, and Debian 12 has a newer one. */
export const oldestNode = [18, 3] as const;

/** Bytes read at a time while hashing: large enough that system calls cost nothing, small enough to stay flat. */
export const hashChunkBytes = 256 * 1024;

/**
 * Values in any JSON, keys not counted: each costs time and memory, whatever its bytes. 1000 requesters on 16 channels have 20,000, a statement of
 * 1024 subjects 4000.
 */
export const maxJsonValues = 32 * 1024;
