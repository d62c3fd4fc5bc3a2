/** Every bound of `requester/`, with its unit and reason. */

/** Bytes read at a time while hashing: one read fills both hashes, and memory stays flat for a file of any size. */
export const hashChunkBytes = 1024 * 1024;

/** Bytes from which on a file's two hashes are made side by side: below, a thread takes as long to start as it would save. */
export const minThreadBytes = 64 * 1024 * 1024;

/** Chunks that a thread may have before it, copies of `hashChunkBytes` each: enough that it never waits for the next read. */
export const maxChunksUnderWay = 4;

/** Bytes of a file that may be our own earlier output: a bundle, the longest of them. */
export const maxEarlierOutputBytes = 2 * 1024 * 1024;

/** Milliseconds that one call of git may take: a status of a huge tree on a slow disk. */
export const gitTimeoutMs = 30_000;

/** Bytes of output of one call of git: a URL, a name or a commit; a longer status is dirty all the same. */
export const maxGitOutputBytes = 1024 * 1024;

/** Seconds past its expiry for which we still listen for the coordinator's last word on a request: it may have been signed in time. */
export const clockGraceSeconds = 5;

/** Bytes of the file with a requester's name: 64 characters and a newline. */
export const maxNameFileBytes = 256;

/** Rounds that one call looks at in search of some: each costs the coordinator a read and whoever asks a share of what it may call. */
export const maxLookedRounds = 2000;

/** Bytes of a document that is fetched for its title alone: a tag, a commit, a text; a list has many of them. */
export const maxTitledBytes = 64 * 1024;
