/** Every bound of `participant/`, with its unit and reason. */
import { maxRequestersBytes } from '../protocol/limits.ts';

/** Bytes of one journal record as JSON: a whole ceremony of 100 members, ciphertexts included, takes about 6 MiB. */
export const maxJournalRecordBytes = 16 * 1024 * 1024;

/** Bytes that one write to the journal takes on: waiting appends beyond it go with the next, so that none waits for a huge write. */
export const maxJournalBatchBytes = 1024 * 1024;

/** Bytes of a journal below which it is never compacted: reading it takes no time. */
export const minCompactedBytes = 128 * 1024;

/** Seconds after a request's death for which decision and burned attempts are kept: clocks that go back must not bring it to life anew. */
export const keptAfterExpirySeconds = 24 * 3600;

/** Secrets in the arena: those of a ceremony of 128 members, and a nonce pair for every pending round several times over. */
export const arenaSlots = 16_384;

/** Nonce pair lists held at once, one for each stage of an approved pending round; what is over it waits until others are finished. */
export const maxHeldSlots = 1024;

/** Bytes that one attempt adds to the journal at most: a burn of about 400, and a share of about 500 and 67 for each of 16 messages. */
const maxAttemptBytes = 2560;

/** Bytes that must be free on the disk before nonces are made: everything that is held could be signed at once. */
export const minFreeJournalBytes = maxHeldSlots * maxAttemptBytes;

/** Rounds known at once that are not over: what is over it is not looked at. */
export const maxPendingRounds = 1024;
/** Pending rounds of one asker, so that no one asker takes all the room. */
export const maxPendingRoundsOfAsker = 128;

/** Bytes of the documents of pending rounds, which are in memory until they end. */
export const maxPendingDocumentBytes = 256 * 1024 * 1024;
/** Bytes of the documents of the pending rounds of one asker. */
export const maxPendingDocumentBytesOfAsker = 64 * 1024 * 1024;

/** Rounds that are over and still shown, without their documents. */
export const maxClosedRounds = 200;

/** Events of one round that wait for the one before; packages and decisions beyond it are dropped, a reconnect brings them again. */
export const maxWaitingEvents = 256;

/** Frames that wait before the group's key is known; the coordinator sends them again on the next connect. */
export const maxEarlyFrames = 256;

/** Epochs whose documents wait before this member has a candidate: as many as a coordinator keeps. */
export const maxEarlyEpochs = 16;

/** Frames that were received and not yet handled, before reading stops until they are. */
export const maxUnhandledFrames = 64;

/** Bytes written and not yet taken by the network before the connection is given up: its reader is stuck. */
export const maxUnsentBytes = 32 * 1024 * 1024;

/** Alarms of the coordinator that `status` shows, the newest. */
export const maxAlarms = 20;

/** Bytes of the file that holds every member's `stored`: 128 of about 600 bytes each. */
export const maxStoredBytes = 1024 * 1024;

/** Bytes of the file that holds the group's documents: a requesters document in base64, and what is short beside it. */
export const maxDocumentsBytes = 2 * maxRequestersBytes;

/** Bytes of the file that holds the member's name. */
export const maxNameFileBytes = 256;

/** Evidence files of ceremonies that a home keeps, the newest; each may take 22 MiB. */
export const maxEvidenceFiles = 16;

/** Ceremony messages of this member that the relay hears again on every connect: those of the last ceremonies. */
export const maxSaidAgain = 64;

/** Milliseconds between pings. */
export const pingIntervalMs = 15_000;
/** Milliseconds until a ping without an answer ends the connection: with the interval, a dead network is noticed within half a minute. */
export const pongTimeoutMs = 10_000;

/** Milliseconds for one HTTP request to the coordinator, documents included. */
export const httpTimeoutMs = 20_000;

/** Milliseconds that a stopping daemon waits for what is on its way, each of connection and rounds. */
export const closeTimeoutMs = 1500;

/** Milliseconds for which a call waits for a coordinator that is busy or starts again; after that the next connection asks anew. */
export const patienceMs = 60_000;

/** Milliseconds of the first wait before a reconnect; each is drawn at random up to twice the last. */
export const firstBackOffMs = 200;
/** Milliseconds of the longest wait before a reconnect: a coordinator that is back is found within seconds. */
export const longestBackOffMs = 20_000;
/** Reasons for a lost connection that are told once each until there is one again; a peer can make up more, and those are told each time. */
export const maxToldReasons = 16;

/** Milliseconds between looks for requests that have expired. */
export const sweepIntervalMs = 15_000;

/** Milliseconds after which a restored member looks once more at what the others hold: by then each has brought it. */
export const lookAgainMs = 5000;

/** Milliseconds before a document of the ceremony is asked for again after a failure. */
export const retryIntervalMs = 1000;

/** Bytes of a policy file. */
export const maxPolicyBytes = 256 * 1024;
/** Rules in a policy file: more than anybody can read. */
export const maxPolicyRules = 500;

/** Characters of a text in a rule: a pattern, or an argument of a program. */
export const maxPolicyTextCharacters = 500;
/** Characters of the name of a Unix user in a rule. */
export const maxUserNameCharacters = 64;

/** Programs of `exec` rules that run at once: a rebuild takes a whole machine. */
export const maxExecRuns = 2;
/** Runs that wait; a request beyond it is left to a person. */
export const maxExecWaiting = 64;
/** Runs of one asker that wait (T33); a request beyond it is left to a person. */
export const maxExecWaitingOfAsker = 8;
/** Seconds one run may take, unless the policy says otherwise. */
export const defaultExecSeconds = 600;
/** Seconds that a policy may let one run take: a day. */
export const maxExecSeconds = 24 * 3600;
/** Milliseconds between looks at the memory of a run. */
export const execPollMs = 200;
/** Milliseconds after a program's end in which its last words are still read. */
export const stderrGraceMs = 500;
/** Bytes of standard error that are kept: its last line is the reason. */
export const maxExecErrorBytes = 16 * 1024;

/** Bytes of one answer: all pending requests, or one with 200 artifacts and its documents. */
export const maxAnswerBytes = 64 * 1024 * 1024;
