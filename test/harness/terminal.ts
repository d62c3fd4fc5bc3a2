/** A terminal of one's own for a command that asks questions. */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { onTestFinished } from 'vitest';

export interface TerminalSession {
  readonly exited: Promise<number | null>;
  /** All that the terminal showed so far. */
  shown(): string;
  /** Resolves when the terminal shows `text` after what was answered last. */
  until(text: string): Promise<void>;
  /** Types `answer` and the enter key once the terminal shows `prompt`. */
  answer(prompt: string, answer: string, enter?: string): Promise<void>;
}

/** Runs a shell command on a terminal of its own (script(1)). */
export function onTerminal(command: string): TerminalSession {
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let shown = '';
  let answered = 0;
  child.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()));
  const until = async (text: string): Promise<void> => {
    while (!shown.slice(answered).includes(text)) await nextChunk(child.stdout, shown);
  };
  return {
    exited: new Promise((resolve) => child.once('close', resolve)),
    shown: () => shown,
    until,
    answer: async (prompt, answer, enter = '\r') => {
      await until(prompt);
      answered = shown.length;
      child.stdin.write(answer + enter);
    },
  };
}

function nextChunk(stream: Readable, shown: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once('data', () => resolve());
    stream.once('end', () => reject(new Error(`the terminal ended after: ${shown}`)));
  });
}
