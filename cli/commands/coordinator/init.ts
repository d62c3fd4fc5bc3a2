/** `frostmark coordinator init` */
import { defineCommand } from '../../command.ts';

/** Prints the fingerprint: the identity key, base64url, in which the URL ends. JSON: `{ fingerprint }`. */
export const command = defineCommand({
  home: 'coordinator',
  arguments: [],
  options: {},
  about: `Makes the coordinator's home and identity. It holds no share and can sign nothing:
it relays, stores and serves. Run again, it prints the same identity.`,
  example: 'frostmark coordinator init',
  next: `Admit the charter of a group, then run it:
frostmark coordinator admit charter.yaml
frostmark coordinator serve --listen 0.0.0.0:7443 --tls-cert F --tls-key F`,
  run: async ({ homePath, output }) => {
    const { initCoordinator } = await import('../../../coordinator/init.ts');
    const fingerprint = await initCoordinator(homePath);
    output.result(fingerprint, { fingerprint });
    output.talk('This is its identity. "frostmark coordinator serve" prints the whole URL, which ends in it.');
  },
});
