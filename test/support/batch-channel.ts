/** Batch channels of tests, before providers of few words. */

import { createGeminiBatchChannel, type GeminiBatchChannelOptions } from '@darkroom/shared/channels';
import type { BatchChannel } from '@darkroom/shared/ports';
import { replyWith, type StubProvider, type StubReply, startStubProvider } from './stub-provider.ts';

export const PROVIDER_KEY = 'AIzaTestKey';

type Options = Partial<GeminiBatchChannelOptions>;

/** A channel to `baseUrl`, closed with `cleanup`. */
export function batchChannelTo(cleanup: AsyncDisposableStack, baseUrl: string, options: Options = {}): BatchChannel {
  return cleanup.use(createGeminiBatchChannel({ apiKey: PROVIDER_KEY, baseUrl, apiVersion: 'v1beta', ...options }));
}

/** A channel whose provider answers by `script`; both are closed with `cleanup`. */
export async function aBatchChannel(
  cleanup: AsyncDisposableStack,
  script: [StubReply, ...StubReply[]],
  options: Options = {},
): Promise<[BatchChannel, StubProvider]> {
  const stub = cleanup.use(await startStubProvider(...script));
  return [batchChannelTo(cleanup, stub.url, options), stub];
}

/** The body of an error as Google writes it. */
export function errorBody(code: number, message = 'It failed.', more: object = {}) {
  return { error: { code, message, ...more } };
}

/** Answers with an error as Google writes it. */
export function refuse(code: number, message?: string): StubReply {
  return replyWith(code, errorBody(code, message));
}

/** Answers as somebody who is not the provider would. */
export function page(code: number): StubReply {
  return replyWith(code, '<html>nginx</html>');
}

/** The requests that a provider got, such as `GET /v1beta/batches`. */
export function urlsOf(stub: StubProvider): string[] {
  return stub.calls.map(({ method, url }) => `${method} ${url}`);
}
