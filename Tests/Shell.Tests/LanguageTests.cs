using System.Buffers;
using System.Text;
using Xunit;

namespace Orleans.Raft.Shell.Tests;

public sealed class LanguageTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("   \t ", "")]
    [InlineData("# get k", "")]
    [InlineData("a b\tc", "a|b|c")]
    [InlineData("a#b #c", "a#b|#c")]
    [InlineData("'a b' \"c d\"", "a b|c d")]
    [InlineData("'' \"\"", "|")]
    [InlineData("'a\\nb'", "a\\nb")]
    [InlineData("\"a\\nb\" a\\nb", "a\nb|a\nb")]
    [InlineData("\\x41\\x62 \\\\ \\\" \\' \\t", "Ab|\\|\"|'|\t")]
    [InlineData("a'b'\"c\"d", "abcd")]
    [InlineData("'\"' \"'\"", "\"|'")]
    [InlineData("a\\x20b", "a b")]
    [InlineData("$HOME *;|", "$HOME|*;|")]
    public void Lines_split_into_words(string line, string words) =>
        Assert.Equal(words, string.Join('|', Split(line).Select(word => Encoding.UTF8.GetString(word.Bytes.Span))));

    [Theory]
    [InlineData("get 'k", 5)]
    [InlineData("get \"k", 5)]
    [InlineData("get k\"", 6)]
    [InlineData("get \"k\\\"", 5)]
    [InlineData("get k\\", 6)]
    [InlineData("get éé\\q", 7)]
    [InlineData("get \\x4", 5)]
    [InlineData("get \\x4g", 5)]
    [InlineData("get \\X41", 5)]
    [InlineData("get \"a\\r\"", 7)]
    public void Syntax_errors_name_their_column(string line, int column)
    {
        ShellException error = Assert.Throws<ShellException>(() => Split(line));
        Assert.Equal(("Syntax", column), (error.Code, error.Column));
    }

    [Theory]
    [InlineData("(nil)", true)]
    [InlineData("'(nil)'", false)]
    [InlineData("\"(nil)\"", false)]
    [InlineData("\\x28nil)", false)]
    [InlineData("(nil)''", false)]
    public void Nil_is_a_bare_word(string line, bool isNil) => Assert.Equal(isNil, Assert.Single(Split(line)).IsNil);

    [Fact]
    public void Random_bytes_survive_printing_and_reading()
    {
        const int Seed = 99;
        var random = new Random(Seed);
        for (int round = 0; round < 5000; round++)
        {
            byte[] bytes = new byte[random.Next(0, 24)];
            random.NextBytes(bytes);
            if (round % 3 == 0) bytes = Encoding.UTF8.GetBytes(Encoding.Unicode.GetString(bytes));
            if (round % 5 == 0) bytes = [.. bytes.Select(item => (byte)(item & 0x7f))];
            string printed = ByteText.Escape(bytes);
            byte[] text = Encoding.UTF8.GetBytes(printed);
            byte[] read = new byte[text.Length];

            Assert.DoesNotContain(printed, char.IsControl);
            Assert.True(ByteText.TryUnescape(text, read, out int length, out _, out _), $"seed {Seed}, round {round}");
            Assert.True(read.AsSpan(0, length).SequenceEqual(bytes), $"seed {Seed}, round {round}: {printed}");

            string bare = ByteText.Escape(bytes, escapeBlanks: true).Replace("'", "\\'", StringComparison.Ordinal)
                .Replace("\"", "\\\"", StringComparison.Ordinal);
            if (bytes.Length == 0 || bare[0] == '#') continue;
            Assert.True(Assert.Single(Split(bare)).Bytes.Span.SequenceEqual(bytes),
                $"seed {Seed}, round {round}: {bare}");
        }
    }

    [Fact]
    public void Every_byte_has_its_documented_form()
    {
        for (int value = 0; value < 256; value++)
        {
            string expected = value switch
            {
                '\t' => "\\t",
                '\n' => "\\n",
                '\\' => "\\\\",
                < 0x20 or >= 0x7f => $"\\x{value:x2}",
                _ => $"{(char)value}",
            };
            Assert.Equal(expected, ByteText.Escape([(byte)value]));
        }
        Assert.Equal("é象🐘", ByteText.Escape("é象🐘"u8));
        Assert.Equal("\\xc2\\x85", ByteText.Escape("\u0085"u8));
        Assert.Equal("a\\x20b", ByteText.Escape("a b"u8, escapeBlanks: true));
    }

    [Fact]
    public async Task Lines_come_whole_however_the_stream_cuts_them()
    {
        const int Seed = 7;
        var random = new Random(Seed);
        for (int round = 0; round < 200; round++)
        {
            const int MaxBytes = 20;
            string[] lines = [.. Enumerable.Range(0, 20).Select(_ => new string('x', random.Next(0, 30)))];
            bool endsOpen = random.Next(2) == 0 && lines[^1].Length > 0;
            byte[] bytes = Encoding.UTF8.GetBytes(string.Join('\n', lines) + (endsOpen ? "" : "\n"));
            var reader = new LineReader(new ChoppedStream(bytes, random), MaxBytes);
            foreach (string line in lines)
            {
                LineRead read = await reader.ReadAsync(default);
                LineKind kind = line.Length > MaxBytes ? LineKind.TooLong : LineKind.Line;
                Assert.True(kind == read.Kind, $"seed {Seed}, round {round}");
                if (kind == LineKind.Line) Assert.Equal(line, Encoding.UTF8.GetString(read.Bytes.Span));
            }
            Assert.Equal(LineKind.End, (await reader.ReadAsync(default)).Kind);
            Assert.Equal((20, bytes.Length), (reader.LineNumber, reader.BytesRead));
        }
    }

    [Fact]
    public void Formats_write_a_key_that_looks_like_a_byte_order_mark_as_escapes()
    {
        var output = new ArrayBufferWriter<byte>();
        new TsvFormat().Append(output, new TransferRow(default, "\uFEFFk"u8.ToArray(), "v"u8.ToArray()));
        Assert.Equal("\\xef\\xbb\\xbfk\tv\n", Encoding.UTF8.GetString(output.WrittenSpan));
    }

    private static List<Word> Split(string line) => Lexer.Split(Encoding.UTF8.GetBytes(line));

    /// <summary>Gives a few bytes at a time, as a pipe may.</summary>
    private sealed class ChoppedStream(byte[] bytes, Random random) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, random.Next(1, 9))], cancellationToken);
    }
}
