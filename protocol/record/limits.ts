/** The bounds of `record/`, each with its unit and reason. */

/** Leaves of one log: a thousand a second for 8,900 years, and every index and size is exact as a number and in 6 levels of tiles. */
export const maxTreeSize = 2 ** 48 - 1;
/** Bytes of one leaf: what the two bytes of its length in an entry bundle can say (C2SP tlog-tiles, "Log entries"). */
export const maxLeafBytes = 65_535;
/** Bytes of a signed message that a leaf holds itself; a longer one is a blob. Nearly all are shorter, and a leaf with one stays under its bound. */
export const maxInlineBytes = 32 * 1024;
/** Bytes of the largest blob that a leaf names: evidence of a wrong share stays under 10 MiB. */
export const maxBlobBytes = 16 * 1024 * 1024;
/** Levels of JSON in a leaf: the record, the message it keeps, its signatures, one signature. */
export const maxLeafDepth = 8;

/** Characters of a tile's path; the longest that a log of `maxTreeSize` has takes 41. */
export const maxTilePathCharacters = 64;

/** Bytes of a signed note: a text of 300 and 16 signatures of the longest kind there is, 5 kB each in base64 (C2SP signed-note, "Format"). */
export const maxNoteBytes = 128 * 1024;
/** Signatures of a note: as many as every reader must accept (C2SP signed-note, "Format"), so room for witnesses. */
export const maxNoteSignatures = 16;

/** Bytes of a head as it lies on disk: 48 hashes of its frontier in hex are 3.3 KB. */
export const maxHeadBytes = 8 * 1024;

/** Rounds in one audit: it remembers a name for each, and more than these a JavaScript map cannot hold safely. */
export const maxAuditedRounds = 2 ** 23;
/** Keys in one audit: a succession each season for decades, and ceremonies of one charter that ran again. Each costs arithmetic on all its points. */
export const maxAuditedEpochs = 256;
/** Rounds that are pending at one point of an audit: twice what a coordinator keeps of one group. */
export const maxPendingInAudit = 1024;
