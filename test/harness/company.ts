/** A company of real processes for end-to-end tests: the built command, cheap passphrases, a folder of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Company, type CompanyPlan } from '../../demo/company.ts';

const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** What takes the place of a stock tool, as a tool is told where it is. */
export function frontEnd(name: 'gpg' | 'ssh-keygen'): string {
  return join(dirname(cli), `${name}.js`);
}

export type TestPlan = Pick<CompanyPlan, 'members' | 'channels'> & Partial<Pick<CompanyPlan, 'requesters' | 'openpgp'>>;

/** Ends every process and removes the folder when it goes out of scope. */
export class TestCompany extends Company implements AsyncDisposable {
  constructor(plan: TestPlan) {
    super({
      folder: mkdtempSync(join(tmpdir(), 'frostmark-e2e-')),
      cli,
      requesters: [{ name: 'dave', channels: ['development', 'production'] }],
      environment: { FROSTMARK_TESTING_ONLY_SCRYPT_WORK_FACTOR: '2' },
      ...plan,
    });
  }

  /** A live group whose members all serve, with the policies given; the coordinator is found at `url`, if it is given. */
  async open(policies: Readonly<Record<string, string>> = {}, listen?: string, url?: string): Promise<void> {
    await this.introduce();
    await this.startCoordinator(listen, url);
    await this.makeKey();
    await Promise.all(this.plan.members.map(async ({ name }) => await this.serve(name, policies[name])));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    rmSync(this.plan.folder, { recursive: true, force: true });
  }
}

/** Approves every release on one channel. */
export function approves(channel: string): string {
  return `rules:\n  - match: { kind: release, channel: ${channel} }\n    action: approve\n  - action: ask\n`;
}
