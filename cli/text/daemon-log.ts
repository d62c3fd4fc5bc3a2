/** What a daemon says: to a person on a terminal a line in words, to everybody else the JSON that it was. */
import { CommandError } from '../errors.ts';
import { shownIdDigits } from '../limits.ts';
import type { Output } from '../output.ts';
import { marked } from './look-alikes.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Takes a line of JSON with its newline, as daemons write their logs. `--log` says how; a person on a terminal is spoken to. Throws `CommandError('usage')`. */
export function daemonLog(output: Output, wish: string | undefined): (line: string) => void {
  if (wish !== undefined && wish !== 'json' && wish !== 'text')
    throw new CommandError('usage', `--log ${wish} is none`, 'It is json or text (the default on a terminal).');
  const isText = wish === undefined ? output.stderr.isTTY === true : wish === 'text';
  if (!isText) return (line) => output.stderr.write(line);
  return (line) => {
    const { time, level, event, ...fields } = JSON.parse(line) as Fields;
    const text = eventText(String(event), fields);
    if (text === undefined) return;
    const words =
      level === 'info' ? text : `${output.toTalk(level === 'error' ? 'red' : 'yellow', `${String(level)}:`)} ${text}`;
    output.talk(`${output.toTalk('dim', clockTime(String(time)))}  ${words}`);
  };
}

/** The time of day where the person is. */
function clockTime(time: string): string {
  const at = new Date(time);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

/** Fields that every line has, or that another event says in words. */
const unsaid: readonly string[] = ['group', 'code', 'round'];

/** What happened, in words; `undefined` for what another line says already. */
export function eventText(event: string, fields: Fields): string | undefined {
  const of = (name: string): string => marked(textOf(fields[name]));
  const round = typeof fields['round'] === 'string' ? fields['round'].slice(0, shownIdDigits) : '';
  switch (event) {
    case 'login-failed':
      return undefined;
    case 'serving':
      return `serving; policy: ${of('policy')}`;
    case 'listening':
      return undefined;
    case 'restored':
      return `the store is open; rounds that it brought back: ${of('count')}`;
    case 'connected':
      return `connected to ${of('coordinator')}`;
    case 'disconnected':
      return `not connected: ${of('reason')} (trying again)`;
    case 'clocks-differ':
      return `${of('message')}; set the one that is wrong`;
    case 'certified':
      return `the key of ${of('group')} is here`;
    case 'request':
      return `request ${round}: ${of('kind')} on ${of('channel')}; see it with: frostmark participant show ${round}`;
    case 'decided':
      return `request ${round}: ${of('decision')}${fields['policy'] === undefined ? '' : `, by ${of('policy')}`}`;
    case 'round-over':
      return `request ${round}: ${of('outcome')}`;
    case 'round-opened':
      return `request ${round} was asked for in ${of('group')}`;
    case 'member-connected':
    case 'member-disconnected':
      return `${of('member')} of ${of('group')} ${event === 'member-connected' ? 'is here' : 'is gone'}`;
    case 'policy-loaded':
      return `the policy was read again: ${of('policy')}; what waits is judged by it`;
    case 'policy-refused':
      return `${of('message')}; the old policy stays (${of('policy')})`;
    default:
      return otherText(event, round, fields);
  }
}

/** An event without words of its own: its name, the round, what was found, and whatever else comes with it. */
function otherText(event: string, round: string, { message, failure, ...rest }: Fields): string {
  const found = message ?? failure;
  const more = Object.entries(rest)
    .filter(([name, value]) => !unsaid.includes(name) && value !== undefined)
    .map(([name, value]) => `${name} ${textOf(value)}`);
  const what = `${event.replaceAll('-', ' ')}${round === '' ? '' : ` (request ${round})`}`;
  const parts = [what, ...(found === undefined ? [] : [textOf(found)])].join(': ');
  return marked(more.length === 0 ? parts : `${parts} (${more.join(', ')})`);
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
