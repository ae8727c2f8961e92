import { AppError, type ErrorCode } from '@darkroom/shared/domain';
import { ERROR_FACTS, FIXES } from '@darkroom/shared/schemas';
import { Router } from 'express';
import { z } from 'zod';
import { errorType } from '../http/problem.ts';

export const ErrorKind = z
  .object({
    type: z.string(),
    code: z.string(),
    title: z.string(),
    status: z.int(),
    category: z.string(),
    fix: z.string().optional(),
  })
  .meta({ id: 'ErrorKind', description: 'What a problem’s `type` leads to.' });

/** `/errors/:code`: what the `type` of every problem refers to, for people and without a key. */
export function errorsRouter(): Router {
  const router = Router();
  router.get('/errors/:code', (req, res) => {
    const { code } = req.params;
    if (!isErrorCode(code)) throw new AppError('not_found', { message: 'There is no such error.', param: 'code' });
    const { title, status, category } = ERROR_FACTS[code];
    const fix = FIXES[code];
    const kind: z.output<typeof ErrorKind> = {
      type: errorType(code),
      code,
      title,
      status,
      category,
      ...(fix && { fix }),
    };
    res.json(kind);
  });
  return router;
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_FACTS, code);
}
