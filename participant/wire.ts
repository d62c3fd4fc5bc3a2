/** Envelopes as frames and files hold them: the schema's type knows no `readonly`, and nobody writes to them. */
import type { Envelope } from '../protocol/envelope.ts';
import type { EnvelopeSchema, Static } from '../protocol/schema.ts';

export type WireEnvelope = Static<typeof EnvelopeSchema>;

export function wire(envelope: Envelope): WireEnvelope {
  return envelope as WireEnvelope;
}
