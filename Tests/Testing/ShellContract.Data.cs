using System.Text;
using Orleans.Raft.Shell;
using Xunit;

namespace Orleans.Raft.Testing;

public abstract partial class ShellContract
{
    [Fact]
    public Task Put_get_append_and_delete_print_what_they_promise() => ExpectAsync(
        ["put k v", "get k", "append k w", "get k", "append new x", "get new", "del k", "get k", "del k", "put k ''",
            "get k"],
        "OK", "v", "OK", "vw", "OK", "x", "OK", "(nil)", "OK", "OK", "");

    [Fact]
    public Task Families_are_apart() => ExpectAsync(
        ["put k a", "put k b --cf lock", "append --cf write k c", "get k", "get k --cf default", "get --cf lock k",
            "get k --cf=write", "del k --cf lock", "get k --cf lock", "scan '' '' --cf write"],
        "OK", "OK", "OK", "a", "a", "b", "c", "OK", "(nil)", "k\tc", "(1 rows)");

    [Fact]
    public async Task Reads_take_every_consistency()
    {
        await ExpectAsync(["put k v", "get k --consistency linearizable", "get k --consistency lease",
            "scan k l --consistency lease"], "OK", "v", "v", "k\tv", "(1 rows)");
        (string output, int exitCode) = await RunAsync("get k --consistency stale");
        Assert.Contains(output, new[] { "v\n", "(nil)\n" });
        Assert.Equal(0, exitCode);
    }

    [Fact]
    public async Task Raw_writes_the_bytes_alone()
    {
        (byte[] output, int exitCode) = await RunBytesAsync(@"put k '\'\x00\xff\n
get k --raw
get k
get missing --raw"u8.ToArray());
        byte[] expected = [.. "OK\n\\"u8, 0x00, 0xff, (byte)'\n', .. "\\\\\\x00\\xff\\n\n(nil)\n"u8];
        Assert.Equal(Encoding.Latin1.GetString(expected), Encoding.Latin1.GetString(output));
        Assert.Equal(0, exitCode);
    }

    [Fact]
    public Task Compare_and_set_replaces_creates_and_removes() => ExpectAsync(
        ["cas k a b", "cas k (nil) a", "cas k (nil) b", "cas k b c", "cas k a c", "get k", "cas k c (nil)", "get k",
            "cas k (nil) (nil)", "cas k (nil) x --cf lock", "get k", "get k --cf lock"],
        "MISMATCH (nil)", "OK", "MISMATCH a", "MISMATCH a", "OK", "c", "OK", "(nil)", "OK", "OK", "(nil)", "x");

    [Fact]
    public Task A_quoted_nil_is_data() => ExpectAsync(
        ["cas k '(nil)' v", "cas k (nil) \"(nil)\"", "get k", "cas k x y", @"cas k \x28nil) z", "get k", "put k (nil)",
            "get k",
            "scan k l"],
        "MISMATCH (nil)", "OK", @"\x28nil)", @"MISMATCH \x28nil)", "OK", "z", "OK", @"\x28nil)", "k\t\\x28nil)",
            "(1 rows)");

    [Fact]
    public async Task Scan_crosses_groups_in_order()
    {
        string[] keys = await KeyPerGroupAsync();
        string[] rows = [.. keys.Select((key, number) => $"{key}\t{number}")];
        await ExpectAsync([.. keys.Select((key, number) => $"put '{key}' {number}").Reverse()],
            [.. keys.Select(_ => "OK")]);

        await ExpectAsync(["scan \"\" \"\""], [.. rows, $"({keys.Length} rows)"]);
        await ExpectAsync(["scan '' '' --reverse"], [.. rows.Reverse(), $"({keys.Length} rows)"]);
        await ExpectAsync(["scan '' '' --limit 1 --reverse"], rows[^1], "(1 rows)");
    }

    [Fact]
    public async Task Scan_takes_its_start_and_leaves_its_end_in_both_directions()
    {
        await ExpectAsync(["put a 1", "put b 2", "put c 3", "put d 4"], "OK", "OK", "OK", "OK");
        await ExpectAsync(["scan b d"], "b\t2", "c\t3", "(2 rows)");
        await ExpectAsync(["scan b d --reverse"], "c\t3", "b\t2", "(2 rows)");
        await ExpectAsync(["scan b '' --limit 2"], "b\t2", "c\t3", "(2 rows)");
        await ExpectAsync(["scan '' c --limit 1 --reverse"], "b\t2", "(1 rows)");
        await ExpectAsync(["scan b b", "scan d a", "scan e '' --reverse"], "(0 rows)", "(0 rows)", "(0 rows)");
    }

    [Fact]
    public async Task Scan_pages_through_more_than_one_reply_holds()
    {
        string value = new('v', 300_000);
        string[] keys = [.. Enumerable.Range(0, 12).Select(number => $"page-{number:00}")];
        await ExpectAsync([.. keys.Select(key => $"put {key} {value}")], [.. keys.Select(_ => "OK")]);
        await ExpectAsync(["scan page- page."], [.. keys.Select(key => $"{key}\t{value}"), "(12 rows)"]);
        await ExpectAsync(["scan page- page. --reverse --limit 11"],
            [.. keys.Reverse().Take(11).Select(key => $"{key}\t{value}"), "(11 rows)"]);
    }

    [Fact]
    public Task A_batch_applies_all_its_writes() => ExpectAsync(
        ["put kc 0", "batch put ka 1 put kb 2 del kc", "scan k l", "batch put kd 4 del kd put ke 5 --cf lock",
            "scan '' '' --cf lock", "scan kd l"],
        "OK", "OK", "ka\t1", "kb\t2", "(2 rows)", "OK", "ke\t5", "(1 rows)", "(0 rows)");

    [Fact]
    public async Task A_batch_over_several_groups_changes_nothing()
    {
        string[] keys = await KeyPerGroupAsync();
        Assert.True(keys.Length > 1, "the host has but one group: this test needs two");
        await ExpectErrorAsync("CrossGroup", $"batch put '{keys[0]}' 1 put '{keys[1]}' 2");
        await ExpectAsync(["scan '' ''"], "(0 rows)");
    }

    [Theory]
    [InlineData("batch put k 1 move k")]
    [InlineData("batch put k 1 put k")]
    [InlineData("batch put k 1 del")]
    [InlineData("batch put")]
    [InlineData("batch")]
    public async Task A_malformed_batch_changes_nothing(string line)
    {
        await ExpectErrorAsync("BadArgument", line);
        await ExpectAsync(["get k"], "(nil)");
    }

    [Fact]
    public async Task What_is_printed_can_be_typed_back()
    {
        const int Seed = 20261121;
        var random = new Random(Seed);
        for (int round = 0; round < 40; round++)
        {
            byte[] key = RandomBytes(random, 1, 20);
            byte[] value = RandomBytes(random, 0, 40);
            string typed = string.Concat(key.Select(item => $"\\x{item:x2}"));
            string printedKey = Typed(ByteText.Escape(key));
            string printedValue = ByteText.Escape(value);
            (string output, int exitCode) = await RunAsync(
                $"put {typed} {Typed(printedValue)}", $"get {printedKey}", $"scan {printedKey} '' --limit 1",
                    $"del {typed}");
            string expected = $"OK\n{printedValue}\n{ByteText.Escape(key)}\t{printedValue}\n(1 rows)\nOK\n";
            Assert.True(expected == output && exitCode == 0, $"seed {Seed}, round {round}: {output}");
        }

        // In double quotes, as help tells people to.
        static string Typed(string printed) => $"\"{printed.Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
    }

    [Fact]
    public async Task Keys_and_values_up_to_the_limits_are_taken_and_larger_ones_refused()
    {
        string key = new('k', 4096);
        string value = new('v', 1 << 20);
        await ExpectAsync([$"put {key} v", $"get {key}", $"put big {value}", "get big"], "OK", "v", "OK", value);

        await ExpectErrorAsync("KeyTooLarge", $"put {key}k v");
        await ExpectErrorAsync("KeyTooLarge", $"get {key}k");
        await ExpectErrorAsync("ValueTooLarge", $"put k {value}v");
        await ExpectErrorAsync("ValueTooLarge", "append big v");
        await ExpectErrorAsync("ValueTooLarge", $"cas k (nil) {value}v");
        await ExpectErrorAsync("ValueTooLarge", $"batch put k 1 put l {value}v");
        await ExpectAsync([$"get k", "get l", "get big"], "(nil)", "(nil)", value);
    }

    [Theory]
    [InlineData("put '' v")]
    [InlineData("append '' v")]
    [InlineData("del ''")]
    [InlineData("get ''")]
    [InlineData("cas '' (nil) v")]
    [InlineData("batch put k 1 put '' 2")]
    public async Task An_empty_key_is_refused(string line)
    {
        await ExpectErrorAsync("EmptyKey", line);
        await ExpectAsync(["scan '' ''"], "(0 rows)");
    }
}
