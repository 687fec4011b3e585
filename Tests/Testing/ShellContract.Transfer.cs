using System.Text;
using Orleans.Raft.KeyValue;
using Xunit;

namespace Orleans.Raft.Testing;

public abstract partial class ShellContract
{
    [Theory]
    [InlineData("tsv")]
    [InlineData("ndjson")]
    public async Task An_export_of_any_bytes_imports_to_an_identical_export(string format)
    {
        const int Seed = 4711;
        var random = new Random(Seed);
        int rows = 0;
        foreach (ColumnFamily family in Enum.GetValues<ColumnFamily>())
        {
            for (int value = 0; value < 256; value++, rows++)
            {
                byte[] bytes = [(byte)value];
                await Host.Store.PutAsync(bytes, bytes, family);
            }
            for (int number = 0; number < 60; number++, rows++)
            {
                await Host.Store.PutAsync(RandomBytes(random, 3, 30), RandomBytes(random, 0, 200), family);
            }
            byte[][] special = [[.. "\uFEFF"u8], [.. "(nil)"u8], [.. "# no comment"u8], [.. " 'a' \"b\" "u8],
                [.. "象🐘\u0085\u2028"u8],
                [.. "\uFFFF\uFDD0"u8]];
            foreach (byte[] bytes in special)
            {
                await Host.Store.PutAsync(bytes, bytes, family);
                rows++;
            }
        }
        string first = PathOf($"first.{format}");
        string second = PathOf($"second.{format}");

        Assert.Matches($@"\Aexported {rows} rows in \d+\.\d\d s \(\d+ rows/s\)\n\z",
            (await RunAsync($"export {first}")).Output);
        await DeleteAllAsync();
        Assert.Matches($@"\Aimported {rows} rows in \d+\.\d\d s \(\d+ rows/s\)\n\z",
            (await RunAsync($"import {first}")).Output);
        await ExpectAsync([$"scan \\x00 \\x01 --cf write"], "\\x00\t\\x00", "(1 rows)");
        (_, int exitCode) = await RunAsync($"export {second}");

        Assert.Equal(0, exitCode);
        Assert.True(File.ReadAllBytes(first).AsSpan().SequenceEqual(File.ReadAllBytes(second)),
            $"seed {Seed}: the exports differ");
        Assert.Equal(2, Directory.GetFiles(Folder).Length);
    }

    [Fact]
    public async Task Exports_have_the_documented_form()
    {
        await ExpectAsync([@"put 'a b' 'x\y'\t", "put \\xff \\xfe --cf lock", "put k '' --cf write"], "OK", "OK", "OK");
        string tsv = PathOf("rows.tsv");
        string json = PathOf("rows.txt");
        await RunAsync($"export {tsv}", $"export {json} --format ndjson");
        Assert.Equal("a b\tx\\\\y\\t\n\\xff\t\\xfe\tlock\nk\t\twrite\n", File.ReadAllText(tsv));
        Assert.Equal("""
            {"key":"a b","value":"x\\y\t","cf":"default"}
            {"key_b64":"/w==","value_b64":"/g==","cf":"lock"}
            {"key":"k","value":"","cf":"write"}

            """, File.ReadAllText(json));
    }

    [Theory]
    [InlineData("no tab here", "no tab")]
    [InlineData("", "empty")]
    [InlineData("k\tv\tlock\tmore", "three columns")]
    [InlineData("k\tv\trows", "'rows'")]
    [InlineData("k\tv\\q", "bad escape")]
    [InlineData("\\x1\tv", "two hexadecimal digits")]
    public Task A_bad_tsv_line_stops_the_import(string line, string reason) =>
        ExpectBadLineAsync("rows.tsv", ["a\t1", "b\t2", line, "c\t3"], "BadLine", reason);

    [Theory]
    [InlineData("k", "not JSON")]
    [InlineData("", "empty")]
    [InlineData("[]", "not a JSON object")]
    [InlineData("{\"key\":\"k\"}", "no value")]
    [InlineData("{\"value\":\"v\"}", "no key")]
    [InlineData("{\"key\":\"k\",\"value\":1}", "not a string")]
    [InlineData("{\"key\":\"k\",\"value\":\"v\",\"value_b64\":\"\"}", "repeats")]
    [InlineData("{\"key\":\"k\",\"value\":\"v\",\"ttl\":\"1\"}", "'ttl'")]
    [InlineData("{\"key\":\"k\",\"value\":\"v\",\"cf\":\"rows\"}", "'rows'")]
    [InlineData("{\"key\":\"k\",\"value_b64\":\"*\"}", "not base64")]
    [InlineData("{\"key\":\"k\",\"value\":\"\\ud800\"}", "not valid text")]
    [InlineData("{\"key\":\"k\",\"value\":\"v\"} x", "not JSON")]
    [InlineData("{\"key\":\"k\",\"value\":\"v\"", "not JSON")]
    public Task A_bad_ndjson_line_stops_the_import(string line, string reason) => ExpectBadLineAsync("rows.ndjson",
        ["{\"key\":\"a\",\"value\":\"1\"}", "{\"key\":\"b\",\"value_b64\":\"Mg==\"}", line,
            "{\"key\":\"c\",\"value\":\"3\"}"],
        "BadLine", reason);

    [Fact]
    public async Task A_row_that_the_store_refuses_stops_the_import()
    {
        await ExpectBadLineAsync("rows.tsv", ["a\t1", "b\t2", "\tv", "c\t3"], "EmptyKey", "");
        await ExpectBadLineAsync("rows.tsv", ["a\t1", "b\t2", new string('k', 5000) + "\tv", "c\t3"], "KeyTooLarge",
            "");
    }

    [Fact]
    public async Task Later_rows_of_a_key_win()
    {
        string[] lines = [.. Enumerable.Range(0, 2000).Select(number => $"k{number % 7}\t{number}")];
        File.WriteAllLines(PathOf("rows.tsv"), lines);
        Assert.StartsWith("imported 2000 rows in ", (await RunAsync($"import {PathOf("rows.tsv")}")).Output);
        string[] rows = [.. Enumerable.Range(0, 7).Select(key =>
            $"k{key}\t{Enumerable.Range(0, 2000).Last(number => number % 7 == key)}")];
        await ExpectAsync(["scan k l"], [.. rows, "(7 rows)"]);
    }

    [Fact]
    public async Task Files_from_windows_are_read()
    {
        File.WriteAllText(PathOf("rows.tsv"), "\uFEFFa\t1\r\nb\t2\tlock\r\nc\t3", new UTF8Encoding(false));
        File.WriteAllText(PathOf("rows.jsonl"), "\uFEFF{\"key\":\"d\",\"value\":\"4\"}\r\n", new UTF8Encoding(false));
        await RunAsync($"import {PathOf("rows.tsv")}", $"import {PathOf("rows.jsonl")}");
        await ExpectAsync(["scan '' ''", "get b --cf lock"], "a\t1", "c\t3", "d\t4", "(3 rows)", "2");
    }

    [Fact]
    public async Task A_directory_is_no_file()
    {
        await ExpectErrorAsync("FileFailed", $"import {Folder}");
        await ExpectErrorAsync("FileFailed", $"export {Folder}");
        Assert.Contains("nothing.tsv", await ExpectErrorAsync("FileNotFound", $"import {PathOf("nothing.tsv")}"));
    }

    private async Task ExpectBadLineAsync(string file, string[] lines, string code, string reason)
    {
        await DeleteAllAsync();
        File.WriteAllText(PathOf(file), string.Join('\n', lines) + "\n");
        string output = await ExpectErrorAsync(code, $"import {PathOf(file)}");
        Assert.Contains($"'{PathOf(file)}', line 3: ", output);
        Assert.Contains(reason, output);
        Assert.Contains("2 rows", output);
        await ExpectAsync(["scan '' ''"], "a\t1", "b\t2", "(2 rows)");
    }

    private async Task DeleteAllAsync()
    {
        foreach (ColumnFamily family in Enum.GetValues<ColumnFamily>())
        {
            var keys = new List<ReadOnlyMemory<byte>>();
            var options = new ScanOptions(family);
            await foreach (KeyValueEntry entry in Host.Store.ScanAsync(default, default, options)) keys.Add(entry.Key);
            foreach (ReadOnlyMemory<byte> key in keys) await Host.Store.DeleteAsync(key, family);
        }
    }
}
