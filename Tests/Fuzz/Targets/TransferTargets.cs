using System.Buffers;
using System.Text;
using Orleans.Raft.Shell;

namespace Orleans.Raft.Fuzz;

/// <summary>One line of a file to import.</summary>
internal abstract class TransferTarget(ITransferFormat format) : FuzzTarget
{
    public override bool GeneratesValid => false; // Some lines are foreign ones.

    public override byte[] Generate(FuzzRandom random)
    {
        if (random.OneIn(3)) return Foreign(random);
        var line = new ArrayBufferWriter<byte>();
        format.Append(line, new TransferRow(FuzzBatches.Family(random), random.Bytes(12), random.Bytes(30)));
        return line.WrittenSpan[..^1].ToArray();
    }

    public override Reading Read(byte[] input)
    {
        try
        {
            return new Reading(true, format.Parse(input));
        }
        catch (BadLineException)
        {
            return Reading.Refused;
        }
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.Content is not TransferRow row) return;
        var written = new ArrayBufferWriter<byte>();
        format.Append(written, row);
        TransferRow again = format.Parse(written.WrittenSpan[..^1]);
        if (written.WrittenSpan[..^1].Contains((byte)'\n')) throw new FindingException("a row is written as two lines");
        RequireSame(row.Key.Span, again.Key.Span);
        RequireSame(row.Value.Span, again.Value.Span);
        if (row.Family != again.Family) throw new FindingException($"{row.Family} became {again.Family}");
    }

    // Messages of exceptions repeat some of the line, twice as long in memory.
    public override long AllocationBound(int inputLength) => 12_000 + (60L * inputLength);

    protected abstract byte[] Foreign(FuzzRandom random);
}

/// <summary>Tab-separated lines.</summary>
internal sealed class TsvTarget() : TransferTarget(new TsvFormat())
{
    public override string Name => "import-tsv";

    protected override byte[] Foreign(FuzzRandom random) =>
        [.. FuzzLines.Word(random), .. random.Of("\t"u8.ToArray(), []), .. FuzzLines.Word(random),
            .. random.Of("\tlock"u8.ToArray(), "\t"u8.ToArray(), "\r"u8.ToArray(), [])];
}

/// <summary>JSON lines.</summary>
internal sealed class NdjsonTarget() : TransferTarget(new NdjsonFormat())
{
    public override string Name => "import-ndjson";

    protected override byte[] Foreign(FuzzRandom random)
    {
        var line = new StringBuilder("{");
        for (int left = random.Below(5); left > 0; left--)
        {
            line.Append('"')
                .Append(random.Of("key", "value", "cf", "key_b64", "value_b64", "k\\u0065y", "x", "\\ud800"))
                .Append("\":").Append(random.Of("\"a\"", "\"AAAA\"", "\"lock\"", "\"\\ud800\"", "\"\\u0000\\n\"", "1",
                    "null", "{\"a\":1}", "[[[]]]", "\"ä\"", "\"\"")).Append(left > 1 ? "," : "");
        }
        return Encoding.UTF8.GetBytes(line.Append('}').Append(random.Of("", " ", "}", "\r", "x")).ToString());
    }
}
