/** The bounds of `importer/`, each with its unit and reason. */

/** Bytes of a key file: a gpg export carries every signature that others made on the key, and photographs. */
export const maxKeyFileBytes = 4 * 1024 * 1024;

/** Characters between the words of an armor line: the longest that anybody writes has 25. */
export const maxLabelCharacters = 64;

/** Rounds of bcrypt in an OpenSSH key: `ssh-keygen` takes 16 or 24 unless it is told otherwise; 1000 take about a minute here. */
export const maxBcryptRounds = 4096;

/** Slots of the arena: the coefficients and shares of 128 members several times over. */
export const importArenaSlots = 1024;
