/** How git calls ssh-keygen to sign (git, gpg-interface.c; ssh-keygen, `-Y sign`): told from every other call by the arguments alone. */
import type { SshNamespace } from '../../protocol/ssh/signature.ts';

export type SshKeygenCall =
  | { readonly signs: true; readonly namespace: SshNamespace; readonly keyFile: string; readonly file: string }
  /** Wants a signature in a way that we do not know; `why` says what is strange. */
  | { readonly signs: true; readonly why: string }
  /** Signs nothing. */
  | undefined;

export function readSshKeygenCall(args: readonly string[]): SshKeygenCall {
  const at = args.indexOf('-Y');
  if (args[at + 1] !== 'sign' || at < 0) return undefined;
  const rest = [...args.slice(0, at), ...args.slice(at + 2)];
  const [namespace, keyFile] = [takeValue(rest, '-n'), takeValue(rest, '-f')];
  // "The key is in an agent": git says so of every key that stands in its configuration.
  const agent = rest.indexOf('-U');
  if (agent >= 0) rest.splice(agent, 1);
  const [file, ...more] = rest;
  if (namespace !== 'git' && namespace !== 'file')
    return { signs: true, why: `the namespace ${namespace ?? '(none)'} is neither git nor file` };
  if (keyFile === undefined) return { signs: true, why: 'no -f with the public key was given' };
  if (file === undefined || more.length > 0 || file.startsWith('-'))
    return { signs: true, why: 'exactly one file is signed at a time, and no other option is known' };
  return { signs: true, namespace, keyFile, file };
}

/** Takes an option and its value out of the arguments. */
function takeValue(args: string[], option: string): string | undefined {
  const at = args.indexOf(option);
  return at < 0 ? undefined : args.splice(at, 2)[1];
}
