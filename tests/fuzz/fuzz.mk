# fuzz.mk: the fuzz targets, built by clang in OUT and run for SECONDS each. Called by `make fuzz`, which
# says what is in TOP (the sources), SOURCES (of the library) and CPPFLAGS.

CLANG = clang
FLAGS = -std=gnu11 -g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -Wall -Wextra -MMD -MP
names = fuzz_client fuzz_codec fuzz_entries fuzz_reader
# In place of the library's own.
replaced = src/base/clock.c src/base/log.c src/session/transport%.c
shared = tests/fuzz/peer.c tests/fuzz/quiet.c tests/unit/ownclock.c
common = $(patsubst %.c,$(OUT)/%.o,$(filter-out $(replaced),$(filter %.c,$(SOURCES))) $(shared))
targets = $(addprefix $(OUT)/,$(names))

run: $(targets)
	TARGETS='$(targets)' SECONDS_EACH='$(SECONDS)' CORPUS='$(TOP)/tests/fuzz/corpus' $(TOP)/tests/fuzz/run.sh
build: $(targets)
$(OUT)/fuzz_client: $(OUT)/tests/fuzz/answer.o $(OUT)/tests/fuzz/calls.o
$(targets): $(OUT)/%: $(OUT)/tests/fuzz/%.o $(common)
	$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ -lpthread
$(OUT)/%.o: $(TOP)/%.c
	@mkdir -p $(@D)
	$(CLANG) $(CPPFLAGS) $(FLAGS) -c -o $@ $<

.SECONDARY:
.PHONY: run build
-include $(common:.o=.d) $(OUT)/tests/fuzz/*.d
