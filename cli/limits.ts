/** Every bound of `cli/`, with its unit and reason. */

/** Bytes of a PEM file with certificate authorities: a whole system's store has about 220 KiB. */
export const maxAuthorityBytes = 1024 * 1024;

/** The largest descriptor that a caller may name, as in `--status-fd 3`: larger ones are nobody's, and would only be a list of gaps. */
export const maxDescriptor = 63;

/** Bytes of an OpenPGP certificate that is given to a command: a group's has one of some 200 bytes for each channel and quarter. */
export const maxCertificateFileBytes = 1024 * 1024;

/** Bytes of a configuration file of gpg: what people write has a few thousand. */
export const maxConfigurationBytes = 1024 * 1024;

/** Bytes that are read of a document that is too large, so that whoever writes it is told why: eight of the largest documents. */
export const maxDrainedBytes = 64 * 1024 * 1024;

/** Milliseconds between two redraws of a progress line: what an eye can follow. */
export const redrawIntervalMs = 100;

/** Hexadecimal digits of a round's id in lists and talk: 48 bits. */
export const shownIdDigits = 12;

/** Rounds in a list when nobody says how many: what a screen has room for, twice. */
export const shownRounds = 50;

/** Milliseconds for which a command that only looks waits for a coordinator that is busy or starts again. */
export const briefPatienceMs = 3_000;

/** Milliseconds for which one that asks does so when no `--wait` says how long: a coordinator that is installed anew. */
export const askingPatienceMs = 2 * 60_000;

/** Milliseconds for which an audit waits at each of its many calls: a coordinator gives one identity so much of its time and no more. */
export const auditPatienceMs = 60_000;

/** Bytes of a file that holds one line: GROUP.pub, a coordinator's URL. */
export const maxLineBytes = 4096;

/** Columns where nobody says how many: what every terminal has. */
export const usualColumns = 80;
/** Rows where nobody says how many: what every terminal has. */
export const usualRows = 24;
/** The fewest columns that text is laid out for: below, words are cut to pieces. */
export const fewestColumns = 40;
/** The most columns that text is laid out for: above, lines are too long to read. */
export const mostColumns = 160;

/** Milliseconds between two looks at a daemon on this host: what somebody who waits for a request does not notice. */
export const watchIntervalMs = 1000;

/** Columns beside a column of flags for which what they mean is still wrapped: two or three words. */
export const fewestHelpColumns = 16;
