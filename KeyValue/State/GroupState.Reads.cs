namespace Orleans.Raft.KeyValue;

/// <content>Reads of the state as it is now.</content>
public sealed partial class GroupState
{
    /// <summary>
    /// Answers a batch of reads, one answer each, or a single <see cref="AnswerStatus.Malformed"/> if the bytes are no
    /// batch. Once the answers take <see cref="StoreLimits.MaxBatchBytes"/>, the rest is answered by
    /// <see cref="AnswerStatus.Busy"/>.
    /// </summary>
    public void Read(ReadOnlySpan<byte> readBatch, AnswerBatchWriter answers)
    {
        ArgumentNullException.ThrowIfNull(answers);
        var framing = new ReadBatchReader(readBatch);
        while (framing.MoveNext())
        {
        }
        if (framing.IsMalformed)
        {
            answers.Add(AnswerStatus.Malformed);
            return;
        }
        int answersStart = answers.Length;
        var reads = new ReadBatchReader(readBatch);
        while (reads.MoveNext())
        {
            AnswerStatus status = reads.Check(Limits);
            if (status != AnswerStatus.Ok) answers.Add(status);
            else if (answers.Length - answersStart > Limits.MaxBatchBytes) answers.Add(AnswerStatus.Busy);
            else if (reads.IsScan) Scan(in reads, answers);
            else Get(reads.Family, reads.Key, answers);
        }
    }

    private void Get(ColumnFamily family, ReadOnlySpan<byte> key, AnswerBatchWriter answers)
    {
        if (!Descriptor.Contains(key)) answers.AddWrongRange(_encodedDescriptor);
        else if (_families[(int)family].TryGet(key, out byte[]? value)) answers.AddValue(value);
        else answers.Add(AnswerStatus.NotFound);
    }

    private void Scan(in ReadBatchReader scan, AnswerBatchWriter answers)
    {
        if (!Descriptor.ContainsRange(scan.Start, scan.End))
        {
            answers.AddWrongRange(_encodedDescriptor);
            return;
        }
        int maxRows = scan.Limit == 0 ? int.MaxValue : scan.Limit;
        int maxBytes = scan.MaxBytes == 0 ? Limits.ScanPageBytes : Math.Min(scan.MaxBytes, Limits.ScanPageBytes);
        OrderedMapCursor cursor = _families[(int)scan.Family].Cursor();
        bool found = !scan.IsReverse ? cursor.SeekAtOrAfter(scan.Start)
            : scan.End.IsEmpty ? cursor.SeekLast()
            : cursor.SeekBefore(scan.End);
        answers.BeginPage();
        while (found && IsWithin(in scan, cursor.Key))
        {
            if (answers.PageRows == maxRows || !answers.TryAddRow(cursor.Key, cursor.Value, maxBytes))
            {
                answers.EndPage(more: true);
                return;
            }
            found = scan.IsReverse ? cursor.MovePrevious() : cursor.MoveNext();
        }
        answers.EndPage(more: false);
    }

    /// <summary>Whether a scan has not run over its far bound.</summary>
    private static bool IsWithin(in ReadBatchReader scan, ReadOnlySpan<byte> key) => scan.IsReverse
        ? key.SequenceCompareTo(scan.Start) >= 0
        : scan.End.IsEmpty || key.SequenceCompareTo(scan.End) < 0;
}
