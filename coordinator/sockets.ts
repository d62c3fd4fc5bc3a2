/** TCP connections: how many, and how many that nobody vouches for. */
import type { Socket } from 'node:net';
import type { Server } from 'node:http';

/**
 * Counts connections. When there are too many without a login, the one that has waited longest goes: an honest
 * client authenticates in milliseconds, and whoever holds sockets open in silence pushes out its own (T24).
 */
export class Sockets {
  readonly #all = new Set<Socket>();
  /** By remote address and port, by which a TLS socket and the one below it are the same; in the order of arrival. */
  readonly #strangers = new Map<string, Socket>();
  readonly #maxStrangers: number;
  readonly #maxSockets: number;

  constructor(options: { readonly maxStrangers: number; readonly maxSockets: number }) {
    this.#maxStrangers = options.maxStrangers;
    this.#maxSockets = options.maxSockets;
  }

  /** Counts the connections of a server from here on. */
  watch(server: Server): void {
    server.maxConnections = this.#maxSockets;
    // With TLS these are the sockets below it: a handshake that never ends is counted, too.
    server.on('connection', (socket: Socket) => this.#add(socket));
  }

  /** Of connections without a login. */
  get strangers(): number {
    return this.#strangers.size;
  }

  /** This connection brought a token. */
  vouch(socket: Socket): void {
    this.#strangers.delete(nameOf(socket));
  }

  destroyAll(): void {
    for (const socket of this.#all) socket.destroy();
  }

  #add(socket: Socket): void {
    const name = nameOf(socket);
    this.#all.add(socket);
    this.#strangers.set(name, socket);
    socket.once('close', () => {
      this.#all.delete(socket);
      this.#strangers.delete(name);
    });
    const [oldest] = this.#strangers.values();
    if (this.#strangers.size > this.#maxStrangers && oldest !== undefined) oldest.destroy();
  }
}

function nameOf(socket: Socket): string {
  return `${socket.remoteAddress ?? ''} ${socket.remotePort ?? ''}`;
}
