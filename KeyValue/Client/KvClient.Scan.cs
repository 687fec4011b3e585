using System.Runtime.CompilerServices;

namespace Orleans.Raft.KeyValue;

/// <content>Scans: page by page, group by group.</content>
public sealed partial class KvClient
{
    public async IAsyncEnumerable<KeyValueEntry> ScanAsync(ReadOnlyMemory<byte> start, ReadOnlyMemory<byte> end,
        ScanOptions options = default,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        TimeSpan deadline = NextDeadline();
        if (_routes is null) (start, end) = (Copy(start), Copy(end));
        StoreRoutes routes = _routes ?? await LoadRoutesAsync(deadline, cancellationToken);
        Arguments.CheckBound(start, routes.Limits);
        Arguments.CheckBound(end, routes.Limits);
        Arguments.CheckFamily(options.Family);
        if (options.Limit < 0) throw new KeyValueArgumentException("BadArgument",
            $"The limit is {options.Limit}; it must be 0 (all) or more.");

        var position = new ScanPosition(start.ToArray(), end.ToArray(), options.Reverse);
        int remaining = options.Limit == 0 ? int.MaxValue : options.Limit;
        while (!position.IsDone && remaining > 0)
        {
            GroupDescriptor group = position.NextGroup(_routes!.Ranges);
            (byte[] from, byte[] to) = position.Within(group);
            var read = new ReadBatchWriter();
            read.AddScan(options.Family, from, to, remaining, options.Reverse, routes.Limits.ScanPageBytes);
            OperationAnswer answer = await Send(group.Group, KindOf(options.Consistency), read.ToArray(), deadline,
                expected: null, canMove: false, cancellationToken);
            if (answer.Status == AnswerStatus.WrongRange)
            {
                Learn(answer.Descriptor!);
                if (position.NextGroup(_routes!.Ranges).Group == group.Group) await RefreshRoutesAsync(deadline);
                if (Now >= deadline)
                    throw new UnavailableException($"Nobody could serve the scan before its deadline ({RangeMoved}). "
                        + "Try again.");
                continue;
            }
            if (answer.Status != AnswerStatus.Page)
                throw new KeyValueArgumentException("BadArgument", $"{group.Group} refused the scan: {answer.Status}.");
            foreach (KeyValueEntry row in answer.Rows)
            {
                yield return row;
                remaining--;
            }
            position.Advance(group, answer, routes.Limits.MaxKeyBytes);
            // The caller asks for one more row only now; how long it took over those before is its own business.
            if (answer.Rows.Length > 0) deadline = NextDeadline();
        }
    }

    /// <summary>What is left of a scan: <c>[Start, End)</c>, eaten from one end.</summary>
    private sealed class ScanPosition(byte[] start, byte[] end, bool reverse)
    {
        private byte[] _start = start;
        private byte[] _end = end;

        public bool IsDone { get; private set; } = end.Length > 0 && start.AsSpan().SequenceCompareTo(end) >= 0;

        public GroupDescriptor NextGroup(RangeMap ranges) => reverse ? ranges.FindBefore(_end) : ranges.Find(_start);

        /// <summary>The part that lies in a group.</summary>
        public (byte[] From, byte[] To) Within(GroupDescriptor group) => (
            group.Start.AsSpan().SequenceCompareTo(_start) > 0 ? group.Start : _start,
            group.End.Length > 0 && (_end.Length == 0 || group.End.AsSpan().SequenceCompareTo(_end) < 0)
            ? group.End
            : _end);

        public void Advance(GroupDescriptor group, in OperationAnswer answer, int maxKeyBytes)
        {
            if (answer.HasMore)
            {
                byte[] last = answer.Rows[^1].Key.ToArray();
                if (reverse) _end = last;
                else if (KeyAfter(last, maxKeyBytes) is { } next) _start = next;
                else IsDone = true;
            }
            else if (reverse)
            {
                IsDone = group.Start.Length == 0 || group.Start.AsSpan().SequenceCompareTo(_start) <= 0;
                _end = group.Start;
            }
            else
            {
                IsDone = group.End.Length == 0 || (_end.Length > 0 && group.End.AsSpan().SequenceCompareTo(_end) >= 0);
                _start = group.End;
            }
        }

        /// <summary>The smallest key after another: with a zero byte behind, or, where there is no room for one, the
        /// next of that length or shorter. Null after the last possible key.</summary>
        private static byte[]? KeyAfter(byte[] key, int maxKeyBytes)
        {
            if (key.Length < maxKeyBytes) return [.. key, 0];
            int length = key.AsSpan().LastIndexOfAnyExcept((byte)0xff) + 1;
            if (length == 0) return null;
            byte[] next = key[..length];
            next[^1]++;
            return next;
        }
    }
}
