/** Which key a call of gpg names, in every form that gpg takes (gpg(1), "How to specify a user ID"; GnuPG, common/userids.c). */

/** A key of an OpenPGP certificate, with all that a name of it may be taken from. */
export interface NamedKey {
  /** 40 hex digits, upper case. */
  readonly fingerprint: string;
  /** Of the primary key above it: its name is the name of the whole certificate. */
  readonly primary: string;
  readonly userId: string;
}

const fingerprintDigits = 40;
/** Eight, sixteen or 40 digits of a fingerprint, which may have `0x` or a zero before them and blanks or colons between. */
const digits = /^(?:0x)?0?([0-9a-f]{8}|[0-9a-f]{16}|[0-9a-f]{40})$/i;

/**
 * Whether gpg would find this key by this name: digits of a fingerprint, with `!` after those of exactly this key; `=USER ID`; `<MAIL>`; `@PART`
 * of a mail address; any other text is a part of the user id in whatever case.
 */
export function isNamed(key: NamedKey, text: string): boolean {
  const name = text.trim();
  const [, id] = digits.exec(compact(name.replace(/!$/, ''))) ?? [];
  if (id === undefined) return isUserId(key.userId, name);
  const known = name.endsWith('!') ? [key.fingerprint] : [key.fingerprint, key.primary];
  return known.some((fingerprint) => fingerprint.endsWith(id.toUpperCase()));
}

/** A whole fingerprint may be written in groups. */
function compact(name: string): string {
  const joined = name.replaceAll(/[ :]/g, '');
  return joined.length >= fingerprintDigits ? joined : name;
}

function isUserId(userId: string, name: string): boolean {
  const [userIdInLower, rest] = [userId.toLowerCase(), name.slice(1).toLowerCase()];
  const mail = /<([^<>]*)>[^<>]*$/.exec(userIdInLower)?.[1] ?? userIdInLower;
  switch (name.charAt(0)) {
    case '=':
      return userId === name.slice(1);
    case '<':
      return mail === rest.replace(/>$/, '');
    case '@':
      return rest !== '' && mail.includes(rest);
    case '*':
      return rest !== '' && userIdInLower.includes(rest);
    // gpg's other forms name a key by what no charter says: a keygrip, a serial number, a subject.
    case '&':
    case '#':
    case '/':
    case '+':
    case '.':
    case '':
      return false;
    default:
      return userIdInLower.includes(name.toLowerCase());
  }
}
