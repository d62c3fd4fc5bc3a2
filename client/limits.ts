/** Every bound of `client/`, with its unit and reason. */
import { maxLeafBytes } from '../protocol/record/limits.ts';
import { maxCertificateBytes, maxCharterBytes, maxRequestersBytes } from '../protocol/limits.ts';

/** Members from which on a client starts libsodium to open a group: it has to be compiled first, which takes as long as eight members do without it. */
export const manyMembers = 8;

/** Milliseconds from the start of a call to the end of its answer: a certificate over a slow line. */
export const callTimeoutMs = 30_000;

/** Milliseconds without a byte on a live stream; the coordinator sends a comment every 15 s. */
export const streamSilenceMs = 45_000;

/** Milliseconds before the first retry of a live stream; each retry doubles, less up to half at random. */
export const firstRetryMs = 200;
/** Milliseconds before any retry at most. */
export const longestRetryMs = 10_000;

/** Milliseconds that `Retry-After` may ask for at most: whoever waits decides itself how long, and a wrong clock must not say for ever. */
export const longestRetryAfterMs = 15 * 60_000;

/** Bytes of an ordinary answer: a token, a challenge, a problem. */
export const maxAnswerBytes = 256 * 1024;

/** Values in the JSON of an answer: 8 MiB of rounds are 20,000 envelopes of 400 bytes, each of seven. */
export const maxAnswerValues = 160 * 1024;

/** Bytes of one round's body: request, decisions and the attempts of a large group. */
export const maxRoundBytes = 4 * 1024 * 1024;

/** Bytes of a group's issued certificates: a few KiB each. */
export const maxIssuedBytes = 4 * 1024 * 1024;

/** Bytes of an index of a group's documents: 2048 digests, and 128 members' words of up to 64 KiB, mostly of 2. */
export const maxIndexBytes = 12 * 1024 * 1024;

/** Bytes of what a client keeps of the documents that it saw: a line for each count, and revocations of a few KiB each. */
export const maxSeenBytes = 4 * 1024 * 1024;

/** Bytes of a list of rounds; the coordinator stops at half of it. */
export const maxRoundsBytes = 16 * 1024 * 1024;

/** Bytes of a group's body: charter, certificate and documents in base64, and 128 signed "stored" messages. */
export const maxGroupBytes = 2 * (maxCharterBytes + maxCertificateBytes + maxRequestersBytes) + 512 * 1024;

/** Bytes of a part of a chain: the coordinator stops at 4 MiB, and one link is no longer than its certificate, charter and requesters document allow. */
export const maxChainBytes = 2 * maxGroupBytes;

/** Bytes of all words on erased shares: 2048 of about 700 bytes. */
export const maxErasedBytes = 4 * 1024 * 1024;

/** Bytes of an evidence file: request, documents in base64, certificate and commitments. */
export const maxEvidenceBytes = 24 * 1024 * 1024;

/** Seconds by which the coordinator's clock may differ from ours, as for requests. */
export const maxClockDifferenceSeconds = 300;

/** Bytes of what lies under a path of a group's log: 256 records, each with its length. */
export const maxTileBytes = 256 * (maxLeafBytes + 2);
