/** How the demo tells its story: chapters, sentences, and what each actor said. */
import { styleText } from 'node:util';

const bold = (text: string): string => (process.stdout.isTTY ? styleText('bold', text) : text);
const dim = (text: string): string => (process.stdout.isTTY ? styleText('dim', text) : text);
const green = (text: string): string => (process.stdout.isTTY ? styleText('green', text) : text);

const startedAt = performance.now();

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Begins a chapter of the story. */
export function chapter(title: string): void {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  print(`\n${bold(title)} ${dim(`(${seconds} s)`)}`);
}

/** What is about to happen, and why. */
export function tell(sentence: string): void {
  print(`  ${sentence}`);
}

/** A command as one would type it. */
export function command(line: string): void {
  print(dim(`  $ ${line}`));
}

/** Something that was expected and seen. */
export function seen(sentence: string): void {
  print(`  ${green('✓')} ${sentence}`);
}
