/** What git hands over to be signed: a tag or commit object without its signature (git's "signature format" page). */
import { printableJson } from '../../verifier/printable.ts';
import { formatTimestamp } from '../wire/time.ts';
import type { DocumentField } from './document.ts';
import { readableText, refuseDocument } from './readable.ts';
import { at } from '../wire/present.ts';

/** SHA-1 or SHA-256, lowercase hex. */
const hash = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
/** `Name <email> 1795334400 +0100`; git writes an email that is empty or has spaces, too. The last second that a date can be shown for is in the year 9999, with twelve digits. */
const identity = /^([^<>\t]+) <([^<>\t]*)> (0|[1-9][0-9]{0,11}) ([+-](?:0[0-9]|1[0-4])[0-5][0-9])$/u;
const maxUnixSeconds = 253402300799;

/** Reads the lines before the message one after the other; all its complaints name the line. */
export class GitHead {
  readonly #kind: string;
  readonly #lines: readonly string[];
  #at = 0;
  #hashLength: number | undefined;

  constructor(kind: string, lines: readonly string[]) {
    this.#kind = kind;
    this.#lines = lines;
  }

  /** The value of the next line, which must be of that name. */
  take(name: string): string {
    const text = this.#lines[this.#at];
    this.#at += 1;
    if (text?.startsWith(`${name} `) !== true) return this.fail(`must be the ${name}`);
    return text.slice(name.length + 1);
  }

  /** An object that the signer cannot see; all hashes of one object are of one length. */
  takeHash(name: string): DocumentField {
    const value = this.take(name);
    if (!hash.test(value) || value.length !== (this.#hashLength ?? value.length))
      this.fail(`has no ${name} of 40 or 64 lower-case hex digits`);
    this.#hashLength = value.length;
    return { name, value, isChecked: false };
  }

  takeHashes(name: string): DocumentField[] {
    const fields: DocumentField[] = [];
    while (this.#lines[this.#at]?.startsWith(`${name} `) === true) fields.push(this.takeHash(name));
    return fields;
  }

  /** Who and when, the time in UTC with the zone it was written in. */
  takeIdentity(name: string): DocumentField {
    const [, who = '', email = '', seconds = '', zone = ''] = identity.exec(this.take(name)) ?? [];
    if (who === '' || who.trim() !== who || email.trim() !== email || Number(seconds) > maxUnixSeconds)
      this.fail(`has no ${name} as git writes it: Name <email> seconds zone (user.name and user.email say who)`);
    return { name, value: `${who} <${email}> ${formatTimestamp(Number(seconds))} ${zone}`, isChecked: true };
  }

  /** A header that need not be there, shown as it is. */
  takeOptional(name: string, value: RegExp): DocumentField[] {
    if (this.#lines[this.#at]?.startsWith(`${name} `) !== true) return [];
    const text = this.take(name);
    if (!value.test(text)) this.fail(`has no ${name} as it is written`);
    return [{ name, value: text, isChecked: false }];
  }

  /** `remedies` say for the headers that are refused by design what to do instead. */
  end(remedies: Readonly<Record<string, string>>): void {
    if (this.#at === this.#lines.length) return;
    this.#at += 1;
    const name = at(at(this.#lines, this.#at - 1).split(' ', 1), 0);
    const remedy = Object.hasOwn(remedies, name) ? remedies[name] : undefined;
    this.fail(
      `has ${printableJson(name.slice(0, 40))}, which is not signed here: ${remedy ?? 'write the object without it'}`,
    );
  }

  /** About the line that was read last. */
  fail(what: string): never {
    refuseDocument(this.#kind, `line ${this.#at} ${what}`);
  }
}

/** Lines before the first empty one, and the message after it. Throws `ProtocolError('bad-document')`. */
export function openGitObject(
  bytes: Uint8Array,
  kind: string,
): { readonly head: GitHead; readonly message: string; readonly lines: number } {
  const text = readableText(bytes, kind);
  const at = text.indexOf('\n\n');
  if (at < 0) refuseDocument(kind, 'no empty line before the message');
  const lines = text.slice(0, at).split('\n');
  return { head: new GitHead(kind, lines), message: text.slice(at + 2), lines: lines.length };
}
