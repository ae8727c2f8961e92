import { AppError } from '../domain/errors.ts';

/** The bytes are no image that is taken here. */
export function unsupported(message: string, fix: string, cause?: unknown): AppError {
  return new AppError('unsupported_media', { message, fix, cause });
}

/** The bytes begin as an image of this format and then break its rules. */
export function malformed(format: string): AppError {
  return unsupported(`The ${format} image is malformed.`, 'Save the image again with another program.');
}

/** More than one frame: only the first would be seen. */
export function animated(format: string): AppError {
  return unsupported(`The ${format} image is animated.`, 'Give a still image.');
}

/** The bytes end before the image does. */
export function truncated(format: string): AppError {
  return unsupported(`The ${format} image is truncated.`, 'Send the whole file.');
}
