/** The control socket of a running coordinator: what its operator may do that no caller may. */
import { askLine, listenForLines, type ControlRole } from '../home/control-socket.ts';
import type { Home } from '../home/home.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { minIdDigits } from '../protocol/limits.ts';
import { assertSchema, Hash, Strict, Type, type Static } from '../protocol/wire/schema.ts';
import { CoordinatorError, problemOf } from './errors.ts';
import { maxControlAnswerBytes } from './limits.ts';

/** Ends the pending round whose id begins so. */
const cancelCommand = Strict({
  command: Type.Literal('cancel'),
  id: Type.String({ pattern: `^[0-9a-f]{${minIdDigits},64}$` }),
});

/** The whole id of the round that was cancelled, or why none was. */
const cancelAnswer = Strict({ cancelled: Hash });
const refusal = Strict({ error: Strict({ code: Type.String(), message: Type.String() }) });

const role: ControlRole = {
  name: 'coordinator',
  start: 'frostmark coordinator serve',
  otherPath: 'give it a home with a shorter path',
  refuse: (fault, message, options) => new CoordinatorError(fault, message, options),
};

/** Where the home's socket is. */
function controlPath(home: Home): string {
  return home.file('control.sock');
}

/** What the operator may have done. */
export interface Controlled {
  /** Ends a pending round by the beginning of its id; answers the whole id. */
  readonly cancel: (id: string) => Promise<string>;
}

/** Listens for this user alone. Throws `CoordinatorError` (`bad-socket`, `socket-in-use`). */
export function listenForOperator(home: Home, { cancel }: Controlled): Promise<AsyncDisposable> {
  return listenForLines(controlPath(home), role, async (line) => {
    try {
      const { id } = decodeAs(cancelCommand, await line());
      return { cancelled: await cancel(id) };
    } catch (error) {
      const { code, message } = problemOf(error);
      return { error: { code, message } };
    }
  });
}

/**
 * Has the coordinator that runs in a home end a round; answers the round's whole id. Throws `CoordinatorError`: `not-running`, `not-found`, or
 * `bad-command` for whatever else it was refused with.
 */
export async function cancelRound(home: Home, id: string): Promise<string> {
  const line = await askLine(controlPath(home), role, JSON.stringify({ command: 'cancel', id }), maxControlAnswerBytes);
  if (!line.startsWith('{"error"')) return decodeAs(cancelAnswer, line).cancelled;
  const { code, message } = decodeAs(refusal, line).error;
  throw new CoordinatorError(code === 'not-found' ? 'not-found' : 'bad-command', message);
}

function decodeAs<T extends Parameters<typeof assertSchema>[0]>(schema: T, line: string): Static<T> {
  try {
    const value = JSON.parse(line) as unknown;
    assertSchema(schema, value, 'bad-frame', 'the line');
    return value as Static<T>;
  } catch (cause) {
    const found = cause instanceof ProtocolError ? cause.message : 'a command is one line of JSON';
    throw new CoordinatorError('bad-command', found, { cause });
  }
}
