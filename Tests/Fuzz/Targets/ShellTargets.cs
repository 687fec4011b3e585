using System.Text;
using Orleans.Raft.Shell;

namespace Orleans.Raft.Fuzz;

/// <summary>Lines as people and scripts write them.</summary>
internal static class FuzzLines
{
    private static readonly string[] s_names =
    [
        .. CommandTable.All.Select(command => command.Name),
        .. CommandTable.All.SelectMany(command => command.Verbs.Select(verb => $"{command.Name} {verb}")),
    ];

    /// <summary>Commands that reach for files or take their time: only their words are looked at.</summary>
    public static bool IsHarmless(ReadOnlySpan<byte> line)
    {
        try
        {
            List<Word> words = Lexer.Split(line);
            return words.Count == 0
                || !(words[0].Equals("import"u8) || words[0].Equals("export"u8) || words[0].Equals("bench"u8));
        }
        catch (ShellException)
        {
            return true;
        }
    }

    public static byte[] Line(FuzzRandom random)
    {
        var line = new MemoryStream();
        line.Write(Encoding.UTF8.GetBytes(random.OneIn(12) ? random.Text(6) : random.Of<string>(s_names)));
        for (int left = random.Below(5); left > 0; left--)
        {
            line.Write(random.OneIn(20) ? "\t "u8 : " "u8);
            line.Write(Word(random));
        }
        return line.ToArray();
    }

    public static byte[] Word(FuzzRandom random) => random.Below(9) switch
    {
        0 => Encoding.UTF8.GetBytes(random.Of("--cf", "--cf=lock", "--limit", "--limit=", "--reverse", "--raw", "--",
            "--consistency=stale", "--format=tsv", "--clients", "--from", "--from=3", "--with", "--with=g2", "--undo",
            "--nothing", "--limit=-1", "(nil)", "put", "del")),
        1 => Encoding.UTF8.GetBytes(random.Of("default", "write", "stale", "node-1", "node-9", "5", "NaN", "1e999",
            "g1", "g2", "g0", "g01", "G1", "4097", "99999999999999999999", "-0", "")),
        2 => [(byte)'\'', .. random.Bytes(6), (byte)'\''],
        3 => Encoding.UTF8.GetBytes($"\"{random.Of("a b", "\\x00\\xff", "\\\"", "\\n\\t", "\\q", "\\x1")}\""),
        4 => Quoted(random.Bytes(8)),
        5 => [.. Word(random), .. Word(random)],
        6 => random.Bytes(5),
        _ => Encoding.UTF8.GetBytes(random.Text(8)),
    };

    /// <summary>A word of any bytes, so that it reads back to them.</summary>
    public static byte[] Quoted(ReadOnlySpan<byte> bytes) =>
        Encoding.UTF8.GetBytes($"\"{ByteText.Escape(bytes).Replace("\"", "\\\"", StringComparison.Ordinal)}\"");
}

/// <summary>Quotes, escapes and options of one line.</summary>
internal sealed class ShellWordsTarget : FuzzTarget
{
    public override string Name => "shell-words";

    public override int Weight => 20;

    public override bool GeneratesValid => false;

    public override byte[] Generate(FuzzRandom random) => FuzzLines.Line(random);

    public override Reading Read(byte[] input)
    {
        try
        {
            List<Word> words = Lexer.Split(input);
            if (words.Count > 0)
            {
                ShellCommand command = CommandTable.Find(words[0]);
                Arguments arguments = Arguments.Parse(command, words);
                ReadOptions(arguments);
            }
            return new Reading(true, words);
        }
        catch (ShellException)
        {
            return Reading.Refused;
        }
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.Content is not List<Word> words) return;
        var line = new MemoryStream();
        foreach (Word word in words)
        {
            line.Write(FuzzLines.Quoted(word.Bytes.Span));
            line.WriteByte((byte)' ');
        }
        List<Word> again = Lexer.Split(line.ToArray());
        if (again.Count != words.Count) throw new FindingException($"{words.Count} words became {again.Count}");
        for (int i = 0; i < words.Count; i++) RequireSame(words[i].Bytes.Span, again[i].Bytes.Span);
    }

    public override long AllocationBound(int inputLength) => 12_000 + (120L * inputLength);

    private static void ReadOptions(Arguments arguments)
    {
        _ = arguments.Family;
        _ = arguments.Consistency;
        arguments.Integer("limit", 1, int.MaxValue, 0);
        arguments.Integer("clients", 1, 4096, 64);
        arguments.Seconds("seconds", 0.1, 86_400, 10);
        TransferFormats.Choose("x", arguments.Option("format"));
    }
}

/// <summary>Whole sessions, line by line: every command answers with OK, rows or an error that was foreseen.</summary>
internal sealed class ShellLinesTarget : FuzzTarget
{
    public override string Name => "shell-lines";

    public override int Weight => 6;

    public override bool GeneratesValid => false;

    public override byte[] Generate(FuzzRandom random)
    {
        var lines = new MemoryStream();
        for (int left = 1 + random.Below(4); left > 0; left--)
        {
            lines.Write(FuzzLines.Line(random));
            lines.Write(random.OneIn(10) ? "\r\n"u8 : "\n"u8);
        }
        return lines.ToArray();
    }

    public override Reading Read(byte[] input)
    {
        byte[] harmless = Harmless(input);
        var store = new FuzzStore();
        using var output = new MemoryStream();
        using var log = new StringWriter();
        var session = new ShellSession(store, store, store, store,
            new ShellOptions { Log = log, LineMaxBytes = 1024 });
        int code = session.RunAsync(new MemoryStream(harmless), output).GetAwaiter().GetResult();
        string unforeseen = log.ToString();
        if (unforeseen.Length > 0) throw new FindingException($"an error that nobody foresaw: {unforeseen}");
        return new Reading(code == 0, output.ToArray());
    }

    public override void Check(byte[] input, Reading reading)
    {
        bool failed = ((byte[])reading.Content!).AsSpan().IndexOf("ERR "u8) >= 0;
        if (!reading.IsAccepted && !failed) throw new FindingException("the exit code is 1, but no error was printed");
    }

    // A session has buffers of 64 KiB; status and help print some KiB a line.
    public override long AllocationBound(int inputLength) => 300_000 + (4_000L * inputLength);

    private static byte[] Harmless(byte[] input)
    {
        var kept = new MemoryStream();
        foreach (byte[] line in SplitLines(input))
        {
            // The byte order mark of a file does not count.
            ReadOnlySpan<byte> counted = line.AsSpan().StartsWith("\uFEFF"u8) ? line.AsSpan(3) : line;
            if (!FuzzLines.IsHarmless(counted)) continue;
            kept.Write(counted);
            kept.WriteByte((byte)'\n');
        }
        return kept.ToArray();
    }

    private static IEnumerable<byte[]> SplitLines(byte[] input)
    {
        int start = 0;
        for (int at = 0; at <= input.Length; at++)
        {
            if (at < input.Length && input[at] != '\n') continue;
            yield return input[start..at];
            start = at + 1;
        }
    }
}

/// <summary>Lines of a stream, of any length and with any ends.</summary>
internal sealed class LineReaderTarget : FuzzTarget
{
    private const int LineMaxBytes = 64;

    public override string Name => "line-reader";

    public override byte[] Generate(FuzzRandom random)
    {
        var lines = new MemoryStream();
        if (random.OneIn(4)) lines.Write("\uFEFF"u8);
        for (int left = random.Below(6); left > 0; left--)
        {
            lines.Write(random.Bytes(random.OneIn(4) ? 200 : 20));
            lines.Write(random.Of("\n", "\r\n", "\n\n", "") is { } end ? Encoding.UTF8.GetBytes(end) : []);
        }
        return lines.ToArray();
    }

    public override Reading Read(byte[] input)
    {
        var reader = new LineReader(new Trickle(input), LineMaxBytes);
        var lines = new List<byte[]?>();
        while (true)
        {
            LineRead line = reader.ReadAsync(default).AsTask().GetAwaiter().GetResult();
            if (line.Kind == LineKind.End) break;
            lines.Add(line.Kind == LineKind.TooLong ? null : line.Bytes.ToArray());
            if (lines.Count > input.Length + 1) throw new FindingException("there are more lines than bytes");
        }
        return new Reading(true, lines);
    }

    public override void Check(byte[] input, Reading reading)
    {
        var lines = (List<byte[]?>)reading.Content!;
        List<byte[]?> expected = Expected(input);
        if (lines.Count != expected.Count)
            throw new FindingException($"{lines.Count} lines instead of {expected.Count}");
        for (int i = 0; i < lines.Count; i++)
        {
            if (lines[i] is null != expected[i] is null)
                throw new FindingException($"line {i + 1} is too long or is not");
            RequireSame(lines[i], expected[i]);
        }
    }

    // Every piece that the stream gives is a task of its own.
    public override long AllocationBound(int inputLength) => 8_000 + (600L * inputLength);

    private static List<byte[]?> Expected(byte[] input)
    {
        var lines = new List<byte[]?>();
        ReadOnlySpan<byte> rest = input;
        while (!rest.IsEmpty)
        {
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[(end + 1)..];
            bool fits = line.Length <= LineMaxBytes;
            if (lines.Count == 0 && line.StartsWith("\uFEFF"u8)) line = line[3..];
            lines.Add(fits ? line.ToArray() : null);
        }
        return lines;
    }

    /// <summary>Gives a few bytes at a time.</summary>
    private sealed class Trickle(byte[] bytes) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, 7)], cancellationToken);
    }
}
