/** Every bound of the protocol, with its unit and its reason. */

/** Members of one charter. A certificate of this many stays under `maxCertificateBytes`. */
export const maxMembers = 128;
/** Channels of one charter; each is one more sharing for every member to deal. */
export const maxChannels = 16;
/** Entries of the requesters document. */
export const maxRequesters = 1000;
/** Characters of a card in it: one of the longest name has about 460. */
export const maxCardCharacters = 1000;
/** Levels of the requesters document: an entry's channels are the fourth. */
export const maxRequestersDepth = 6;
/** Cards that were found good and are not opened again: four of the largest requesters documents, of about 2 MiB. */
export const maxGoodCards = 4 * maxRequesters;
/** Cards that are opened before others have their turn: 6 to 20 ms. */
export const cardsPerTurn = 16;

/** Bytes of a charter file: 128 members with their cards need about 60 KiB. */
export const maxCharterBytes = 256 * 1024;
/** Bytes of the requesters document: 1000 entries of about 450 bytes. */
export const maxRequestersBytes = 512 * 1024;
/** Bytes of a certificate: 128 signed transcripts with a proof for every channel. */
export const maxCertificateBytes = 4 * 1024 * 1024;
/** Bytes of an import: for 128 members 128 commitments and 128 boxes of about 280 bytes each with their keys. */
export const maxImportBytes = 128 * 1024;
/** Bytes of what a holder signs about its one-time import key: two hashes with their names. */
export const maxImportKeyBytes = 512;
/** Bytes of a file of import keys: a line of about 700 bytes for each of 128 holders, and remarks. */
export const maxImportKeysBytes = 256 * 1024;
/** Bytes of one document that travels whole: the largest is an RPM header. Every kind has a bound of its own. */
export const maxDocumentBytes = 8 * 1024 * 1024;
/** Bytes of a Release file: that of a whole distribution, with three lists, takes 0.3 MiB. */
export const maxAptReleaseBytes = 1024 * 1024;
/** Bytes of a .dsc, .changes or .buildinfo file: one of a thousand packages takes 0.2 MiB. */
export const maxDebianControlBytes = 512 * 1024;
/** Documents of one request; no kind needs more than one. */
export const maxDocuments = 8;
/** Characters of a tag's name: what a file may be called, since git keeps it as one. */
export const maxTagNameCharacters = 255;
/** Bytes of a manifest: a line of 200 artifacts with the longest names takes 64 KiB; without artifacts it may list more. */
export const maxManifestBytes = 256 * 1024;
/** Bytes of a git tag or commit without its signature: a message that a person reads. */
export const maxGitObjectBytes = 64 * 1024;
/** Bytes of a text: what a person reads. */
export const maxTextBytes = 64 * 1024;
/** Bytes of the shortest text: longer than the longest digest in use, 64 bytes, which might be signed elsewhere as what it is a digest of. */
export const minTextBytes = 65;
/** Bytes of an SSH certificate's line, about 500 with the longest names, and of a signature that holds one. */
export const maxSshCertificateBytes = 4096;
/** Bytes of an SSH signature: one that holds a certificate, armored. */
export const maxSshSignatureBytes = 8192;

/** Seconds since 1970 that the 4 bytes of an OpenPGP time hold, into the year 2106. */
export const maxOpenpgpSeconds = 0xffff_ffff;
/** Bytes of one line of a clear text: gpg and gpgv read lines into 20,000 bytes, with the two of an escape and the line's end. */
export const maxCleartextLineBytes = 19_990;

/** Lines of a text that is signed as clear text: a Release file of a large archive has tens of thousands. */
export const maxCleartextLines = 1_000_000;

/** Fields of a document in Debian's control format: those of an archive or a package are dozens. */
export const maxControlFields = 1000;
/** Characters of a path in a Release file; real ones have fewer than 120. */
export const maxAptPathCharacters = 255;
/** Entries in the index of an RPM header: rpm's own bound. */
export const maxRpmEntries = 65_535;

/** Artifacts of one request; each is about 300 bytes of JSON. */
export const maxArtifacts = 200;
/** Formats, so messages, of one request; each takes a nonce pair of every signer. */
export const maxMessages = 16;
/** Certificates for stock tools that a coordinator shows: a new one for each channel a quarter lasts for years. */
export const maxIssued = 256;
/** Numbers of one count that are kept where only the newest is of use: the newest, and those before it while it is not yet valid. */
export const maxKeptOfCount = 4;
/** Counts in one word of a member about what it holds: ten kinds of sixteen channels; 256 take 45 KiB. */
export const maxHoldings = 256;
/** Request digests in an index of a group's documents, the newest: a member that holds more than are shown has them from there. */
export const maxIndexed = 2048;
/** The highest number of a document of a group, and of an epoch: nobody asks for so many. */
export const maxDocumentNumber = 1_000_000;
/**
 * Bytes of one document of a group as it is kept and brought back: request and documents in base64, and a decision of each of 128 signers. A
 * succession travels with the largest charter and requesters document.
 */
export const maxGroupDocumentBytes = 1280 * 1024;
/** Bytes of a signed request's payload: 200 artifacts and the text fields. */
export const maxRequestBytes = 128 * 1024;

/** Characters of the free text fields, what fits a screen. */
export const maxNameCharacters = 64;
/** Of a product name. */
export const maxProductCharacters = 128;
/** Of a release name. */
export const maxReleaseCharacters = 128;
/** Of a note to approvers. */
export const maxNoteCharacters = 2000;
/** Of the reason of a decision. */
export const maxReasonCharacters = 500;
/** Of each field of a source. */
export const maxSourceCharacters = 500;
/** Of the coordinator's URL. */
export const maxUrlCharacters = 300;

/** Words, marks, gaps and line ends of a charter: 128 members have under 5000. */
export const maxCharterTokens = 8 * 1024;
/** The same of any other YAML file: a policy of 500 rules has under 12,000. */
export const maxYamlTokens = 16 * 1024;
/** The same of a requesters file: 1000 entries of two channels have 32,000. */
export const maxRequestersTokens = 40 * 1024;
/** Levels of brackets, or of lists and keys on one line of YAML, and blanks at the beginning of one: what people write has four, and twenty. */
export const maxYamlDepth = 16;
/** Blanks at the beginning of one line of YAML. */
export const maxYamlIndent = 64;

/** Bytes of a signed payload that has no bound of its own: the largest, a commitment to 16 messages, takes about 4 KiB. */
export const maxSignedBytes = 64 * 1024;
/** Bytes of a card's payload: a role, a name and a key. */
export const maxCardBytes = 2048;
/** Public keys that are remembered as good: those of several of the largest charters and their requesters. */
export const maxGoodKeys = 4096;
/** Members, or hashes of evidence, in one list of a frame or body: twice as many as a charter may have members. */
export const maxListed = 2 * maxMembers;
/** Envelopes in one list of a frame or body: several of every member. */
export const maxListedEnvelopes = 1024;
/** Members' words on old shares in one answer: those of 16 epochs of 128 members. */
export const maxListedErased = 16 * maxMembers;
/** Attempts in a round's body: several times as many as a coordinator shows. */
export const maxListedAttempts = 2048;
/** Delegations in a frame or body: of every channel the newest few. */
export const maxListedDelegations = 64;

/** Depth of any JSON we read; our deepest message has 7 levels. */
export const maxJsonDepth = 12;

/** Seconds by which two clocks may differ: a request may lie so far ahead, and an expiry that another reports so far ahead of ours. */
export const maxClockSkewSeconds = 300;
/** Milliseconds that a timer of Node.js can wait at most, 24 days. */
export const longestTimerMs = 2 ** 31 - 1;
/** Hexadecimal digits of a round's id that a person must type at least: 32 bits, so that two rounds of one group hardly ever share them. */
export const minIdDigits = 8;
/** Seconds after which a request dies when its channel does not say otherwise (72 h). */
export const maxExpirySeconds = 30 * 24 * 3600;
/** Seconds a delegation may live (90 days). */
export const maxDelegationSeconds = 90 * 24 * 3600;

/** Who may speak in one ceremony: all members of the new charter, and of the old one those that deal. */
export const maxSpeakers = 2 * maxMembers;
/** Dealings of one reveal: of a dealer in every channel, to every tier that a charter could have; its bytes have a bound besides. */
export const maxDealings = 2048;
/** Seconds that a succession may take from its approval on: a week, in which holidays end and laptops come back. */
export const maxSuccessionSeconds = 7 * 24 * 3600;
/** Seconds after the end of a succession before the next is approved: twice by which two clocks may differ. */
export const successionPauseSeconds = 600;
/** Bytes of a begin: a hash for each of 256 speakers, and the dealers of 16 channels. */
export const maxSuccessionBytes = 128 * 1024;
/** Begins of one succession that a member keeps: each costs its heir a signature, and a later one wins. */
export const maxKeptBegins = 64;
/** Numbers by which a chain may be ahead of the highest epoch that a client knows: each link costs it a certificate, and a number costs nobody anything. */
export const maxEpochsAhead = 1000;
/** Numbers of epochs and of successions: far more than anybody decides. */
export const maxEpochNumber = 1_000_000_000;

/** Versions of one ceremony message of one member that are kept: two that differ prove something, a third adds nothing. */
export const maxVersions = 2;
/** Places (ceremony, kind, member) of ceremony messages that a member keeps: a few ceremonies of the largest charter; the oldest goes first. */
export const maxKeptCeremonyPlaces = 48 * maxMembers;
/** Ceremonies left, and ceremonies stored and parted from, whose last word is said again on every start: the others wait for none older. */
export const maxWordsSaidAgain = 16;

/** Hellos with which one member may begin anew while another one waits: one every few minutes for hours. */
export const maxHellosAnew = 64;
/** Ceremonies that one run of `join` enters: each stays in the journal, and in every backup, as about 700 bytes. */
export const maxCeremoniesOfRun = 64;

/** Bytes of a ceremony message's payload: boxes for 128 members, and of a reveal the commitments of 16 channels. */
export const maxCeremonyMessageBytes = 1024 * 1024;
/** Bytes of the messages in a ceremony's evidence: the boxes of 128 members in 16 channels take about 16 MiB. */
export const maxViewBytes = 16 * 1024 * 1024;
/** Bytes of an evidence file: charter and certificate in base64, documents, and a commitment of every signer; or what was said in a ceremony. */
export const maxEvidenceBytes =
  Math.ceil((maxCharterBytes + maxCertificateBytes + maxDocumentBytes) * 1.4) + 2 * 1024 * 1024;
/** Messages in a ceremony's evidence: of each member a hello, and two versions of six kinds. */
export const maxEvidenceMessages = (1 + 6 * maxVersions) * maxMembers;

/** Candidates of one charter that a coordinator keeps: each cost every honest member a ceremony. A key that lives is always taken. */
export const maxCandidates = 16;

/** R of promise 7: `lost` and `declined` answers that a member may give in one round before it is left out of it. */
export const maxLosses = 3;
/**
 * Attempts of one stage of one request that a signer burns, with n holders of the channel's shares. An honest coordinator needs at most
 * 1 + f(R + 1) + r of them in one run (promise 7), which is no more than 4n + 1; the rest is for its restarts.
 */
export function maxAttempts(holders: number): number {
  return (maxLosses + 1) * holders + 64;
}

/** Bytes of a WebSocket frame before the size of the group is known. */
export const maxFirstFrameBytes = 64 * 1024;

/** Bytes of a WebSocket frame between a member and the coordinator: the largest is a signing package or a certificate in pieces. */
export function maxFrameBytes(members: number): number {
  const commitment = 1200 + 200 * maxMessages;
  const boxes = 400 * members;
  return Math.max(256 * 1024, 4096 + members * commitment, 4096 + boxes);
}

/** Hashes of one proof about a group's log that is read off a wire: one for each bit of the size, and one more (RFC 9162, Section 2.1.4.1). */
export const maxProofHashes = 49;
