import { AppError } from '../domain/index.ts';

/** Looks at an address that is to be posted to. @throws AppError `invalid_request` */
export type UrlCheck = (url: string) => Promise<void>;

/** An address as a caller gave it in the field `param`. @throws AppError `invalid_request` naming that field and the rule it breaks */
export async function checkWebhookUrl(checkUrl: UrlCheck, url: string, param: string): Promise<void> {
  try {
    await checkUrl(url);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const { message, fix } = error;
    throw new AppError(error.code, {
      message,
      param,
      ...(fix && { fix }),
      errors: [{ path: param, message }],
      cause: error,
    });
  }
}
