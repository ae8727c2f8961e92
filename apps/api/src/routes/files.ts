import { pipeline } from 'node:stream/promises';
import { AppError } from '@darkroom/shared/domain';
import type { OpenedStore } from '@darkroom/shared/storage';
import { Router } from 'express';
import { methodNotAllowed } from '../http/problem.ts';

type OpenSigned = NonNullable<OpenedStore['openSigned']>;

/** Images of the folder store, to whoever holds a signed link. Links into a bucket never come here. */
export function filesRouter(openSigned: OpenSigned): Router {
  const router = Router();
  router.get('/*key', async (req, res) => {
    const opened = await openSigned(req.originalUrl);
    if (typeof opened === 'string') throw refusal(opened);
    res.set(opened.headers);
    // A caller who hangs up half way is no error of ours; `pipeline` closes the file either way.
    await pipeline(opened.body, res).catch(() => res.destroy());
  });
  router.all('/*key', (req, res) => {
    throw methodNotAllowed(req, res, ['GET', 'HEAD']);
  });
  return router;
}

function refusal(why: Exclude<Awaited<ReturnType<OpenSigned>>, object>): AppError {
  switch (why) {
    case 'expired':
      return new AppError('forbidden', {
        message: 'This link has expired.',
        fix: 'Read the job again for a fresh one.',
      });
    case 'forbidden':
      return new AppError('forbidden', {
        message: 'This link is not signed by us.',
        fix: 'Read the job for a valid one.',
      });
    case 'not_found':
      return new AppError('not_found', { message: 'There is no such file.' });
  }
}
