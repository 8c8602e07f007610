/*
 * words.h: a command line as a user writes it, split into words without a shell.
 */
#ifndef WORDS_H
#define WORDS_H

/* Splits text at blanks, as sh(1) does: single and double quotes and backslashes keep blanks,
 * and are removed. 0, and *argv is an array of words that ends with NULL, for words_free; 1 if
 * only a shell can tell what the text means: it has one of its special characters outside of
 * quotes, or an expansion, or begins with one of its own commands, as exec; -EINVAL if a quote is
 * not closed, or nothing follows the last backslash; -ENOMEM. */
int words_split(const char *text, char ***argv);
void words_free(char **argv);

#endif
