/** Every bound of `participant/`, with its unit and reason. */

/** Bytes of one journal record as JSON: a whole ceremony of 100 members, ciphertexts included, takes about 6 MiB. */
export const maxJournalRecordBytes = 16 * 1024 * 1024;

/** Bytes that one write to the journal takes on: waiting appends beyond it go with the next, so that none waits for a huge write. */
export const maxJournalBatchBytes = 1024 * 1024;
