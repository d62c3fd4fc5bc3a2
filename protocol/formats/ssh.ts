/** An SSH signature over a release's document, for `ssh-keygen -Y verify` and git (OpenSSH, PROTOCOL.sshsig). */
import { namespaceOf } from '../documents/index.ts';
import { releaseDocument } from './release-document.ts';
import { encodeSshSignature, sshSignedData, type SshNamespace } from '../ssh/signature.ts';
import { publicKeyBlob } from '../ssh/wire.ts';
import { defineFormat } from './format.ts';

type SshState = { readonly key: Uint8Array; readonly namespace: SshNamespace };

/** The file carries the channel's plain key; off production `withSshCertificate` puts in the certificate that installers ask for. */
export const ssh = defineFormat<SshState>({
  name: 'ssh',
  kind: 'release',
  prepare: (input) => {
    const { kind, bytes } = releaseDocument(input);
    const namespace = namespaceOf(kind);
    const key = input.epoch.channel(input.request.payload.channel).point.bytes;
    return { message: sshSignedData(namespace, bytes), state: { key, namespace } };
  },
  finish: ({ key, namespace }, signature) => encodeSshSignature({ keyBlob: publicKeyBlob(key), namespace, signature }),
});
