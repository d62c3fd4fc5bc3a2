/** What can go wrong while something is asked to be signed: one class, a closed set of codes. */

/**
 * - `bad-artifact`: a file's name, or the set of files, cannot be signed.
 * - `output-is-input`: what is written would replace what is signed.
 * - `output-exists`: what is written would replace something that is not our own earlier output for the same thing.
 * - `not-written`: it is signed, and the result could not be written.
 * - `changed-file`: a file changed while it was hashed, or since.
 * - `bad-field`: product, release, note, format or document cannot be asked for like this.
 * - `no-delegation`: the group has no delegation that is valid now for the channel.
 * - `no-certificate`: the group has no certificate for a stock tool that is valid now.
 * - `revoked`: the group has ended this key, or these releases.
 * - `not-found`: no round of this group has the id.
 * - `no-contents`: what a round is about cannot be had.
 * - `ambiguous`: several rounds begin like this.
 * - `bad-result`: what the coordinator published does not verify.
 * - `unproved`: the coordinator claims an end of the round that nothing it shows proves.
 * - `wrong-group`: the record is of another group.
 * - `record-older`: the coordinator shows fewer records than it acknowledged before.
 * - `record-other`: the coordinator shows another log of the group than the one that was known.
 * - `record-split`: the coordinator signed two histories of one group.
 * - `record-gap`: bytes that a record names are not there, and were not archived.
 * - `pending`: the round still stood open at the deadline.
 * - `refused`: verified refusals leave no qualified set.
 * - `expired`: the request died before it was signed.
 * - `faulted`: verified refusals and proved faults leave no qualified set.
 * - `cancelled`: whoever asked took the request back.
 */
export type RequesterErrorCode =
  | 'bad-artifact'
  | 'output-is-input'
  | 'output-exists'
  | 'not-written'
  | 'changed-file'
  | 'bad-field'
  | 'no-delegation'
  | 'no-certificate'
  | 'revoked'
  | 'not-found'
  | 'no-contents'
  | 'ambiguous'
  | 'bad-result'
  | 'unproved'
  | 'wrong-group'
  | 'record-older'
  | 'record-other'
  | 'record-split'
  | 'record-gap'
  | 'pending'
  | 'refused'
  | 'expired'
  | 'faulted'
  | 'cancelled'
  | 'superseded';

/** A refusal by `requester/`. The message is lower case and says what was found. */
export class RequesterError extends Error {
  readonly code: RequesterErrorCode;
  /** The note that was shown, to be kept beside the one that is: only of a record that does not go on from that. */
  readonly shownNote: string | undefined;

  constructor(code: RequesterErrorCode, message: string, options: ErrorOptions & { readonly shownNote?: string } = {}) {
    super(message, options);
    this.name = 'RequesterError';
    this.code = code;
    this.shownNote = options.shownNote;
  }
}
