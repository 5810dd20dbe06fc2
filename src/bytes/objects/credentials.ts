import { codeOf } from '../../base/errors.ts';
import { once } from '../../base/once.ts';

/** What requests to a store of the S3 kind are signed with. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

type Provider = (options?: { readonly forceRefresh?: boolean }) => Promise<Credentials>;

/**
 * The credentials of this process: those of the environment, or what the AWS SDK's own providers find
 * (profiles, roles, containers) where that package is installed.
 */
export class CredentialChain {
  readonly #provider = once(loadProvider);
  #current: Promise<Credentials | null> | null = null;

  /** Null: there are none, and requests go without a signature. */
  current(): Promise<Credentials | null> {
    this.#current ??= this.#load(false);
    return this.#current;
  }

  /** New ones in the place of those that have expired; of many that ask for the same, one loads them. */
  renewed(expired: Promise<Credentials | null>): Promise<Credentials | null> {
    if (this.#current === expired) this.#current = this.#load(true);
    return this.current();
  }

  async #load(forceRefresh: boolean): Promise<Credentials | null> {
    const given = fromEnvironment(process.env);
    if (given !== null) return given;
    const provider = await this.#provider();
    try {
      return provider === null ? null : await provider({ forceRefresh });
    } catch (thrown) {
      // None of the places where they may be has any.
      if (thrown instanceof Error && thrown.name === 'CredentialsProviderError') return null;
      throw thrown;
    }
  }
}

function fromEnvironment(environment: NodeJS.ProcessEnv): Credentials | null {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId = '',
    AWS_SECRET_ACCESS_KEY: secretAccessKey = '',
    AWS_SESSION_TOKEN: sessionToken = '',
  } = environment;
  if (accessKeyId === '' || secretAccessKey === '') return null;
  return { accessKeyId, secretAccessKey, ...(sessionToken !== '' && { sessionToken }) };
}

async function loadProvider(): Promise<Provider | null> {
  try {
    const { fromNodeProviderChain } = await import('@aws-sdk/credential-providers');
    return fromNodeProviderChain();
  } catch (thrown) {
    if (codeOf(thrown) === 'ERR_MODULE_NOT_FOUND') return null;
    throw thrown;
  }
}
