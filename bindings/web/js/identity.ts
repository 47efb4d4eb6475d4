import type { Id, SealedSeed } from "./calls.js";
import { type Client, Handle, type Place, type Turn } from "./client.js";
import { registryArgument } from "./room.js";
import type { Registry } from "./types.js";

/** A seed, from which the secret of each account at each registry is derived without linking them. */
export class Identity extends Handle {
  private constructor(client: Client, sealed: SealedSeed, place: Place) {
    super(client, (turn) => turn.call("openIdentity", sealed), place);
  }

  /** Generates a new identity. Show its mnemonic to the user: there is no other backup. */
  static generate(client: Client): Promise<Identity> {
    return Identity.#make(client, (turn) => turn.call("generateIdentity"));
  }

  /** Restores the identity of a mnemonic of 24 words; case and extra white space do not matter. */
  static fromMnemonic(client: Client, words: string): Promise<Identity> {
    return Identity.#make(client, (turn) => turn.call("restoreIdentity", words));
  }

  static #make(client: Client, make: (turn: Turn) => Promise<{ id: Id; sealed: SealedSeed }>): Promise<Identity> {
    return client.turn(undefined, async (turn) => {
      const { id, sealed } = await make(turn);
      return new Identity(client, sealed, { generation: turn.generation, id });
    });
  }

  /**
   * Returns the 24 words, for the backup. Only this method and `Verifier.recoverSecret` let a secret leave the module.
   */
  mnemonic(): Promise<string> {
    return this.client.turn(undefined, async (turn) => turn.call("mnemonic", await turn.use(this)));
  }

  /** Returns the account with this number, from 0, at a registry. */
  account(registry: Registry, number = 0): Promise<Account> {
    return Account.of(this.client, this, registry, number);
  }
}

/** One account of an identity at a registry. */
export class Account extends Handle {
  readonly registry: Registry;
  readonly #commitment: string;

  private constructor(client: Client, make: (turn: Turn) => Promise<Id>, registry: Registry, commitment: string, place: Place) {
    super(client, make, place);
    this.registry = registry;
    this.#commitment = commitment;
  }

  /** @internal */
  static of(client: Client, identity: Identity, registry: Registry, number: number): Promise<Account> {
    const make = async (turn: Turn) => turn.call("account", await turn.use(identity), registryArgument(registry), number);
    return client.turn(undefined, async (turn) => {
      const { id, commitment } = await make(turn);
      const again = async (turn: Turn) => (await make(turn)).id;
      return new Account(client, again, { ...registry }, commitment, { generation: turn.generation, id });
    });
  }

  /** The identity commitment to deposit for: `0x` and 64 hexadecimal digits. */
  commitment(): string {
    return this.#commitment;
  }
}
