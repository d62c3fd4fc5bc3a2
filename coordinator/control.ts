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

const statusCommand = Strict({ command: Type.Literal('status') });
const Count = Type.Integer({ minimum: 0 });
const statusAnswer = Strict({
  status: Strict({
    groups: Type.Array(
      Strict({
        group: Type.String(),
        charter: Hash,
        log: Type.String({ pattern: '^[0-9a-f]{32}$' }),
        records: Count,
        root: Hash,
        pending: Count,
        connected: Type.Array(Type.String()),
      }),
    ),
    /** Groups that did not fit. */
    more: Count,
    scrub: Strict({ steps: Count, rounds: Count, damaged: Count }),
  }),
});

/** How a coordinator is, as it tells its operator: the log of each group, who is connected, and how far the walk over the store is. */
export type CoordinatorStatus = Static<typeof statusAnswer>['status'];

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
  readonly status: () => Promise<CoordinatorStatus>;
}

/** Listens for this user alone. Throws `CoordinatorError` (`bad-socket`, `socket-in-use`). */
export function listenForOperator(home: Home, { cancel, status }: Controlled): Promise<AsyncDisposable> {
  return listenForLines(controlPath(home), role, async (line) => {
    try {
      const command = decodeAs(Type.Union([cancelCommand, statusCommand]), await line());
      return command.command === 'status' ? { status: await status() } : { cancelled: await cancel(command.id) };
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
  return (await ask(home, { command: 'cancel', id }, cancelAnswer)).cancelled;
}

/** How the coordinator that runs in a home is. Throws `CoordinatorError` (`not-running`, `bad-command`). */
export async function coordinatorStatus(home: Home): Promise<CoordinatorStatus> {
  return (await ask(home, { command: 'status' }, statusAnswer)).status;
}

async function ask<T extends Parameters<typeof assertSchema>[0]>(
  home: Home,
  command: object,
  answer: T,
): Promise<Static<T>> {
  const question = { line: JSON.stringify(command), maxAnswerBytes: maxControlAnswerBytes };
  const line = await askLine(controlPath(home), role, question);
  if (!line.startsWith('{"error"')) return decodeAs(answer, line);
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
