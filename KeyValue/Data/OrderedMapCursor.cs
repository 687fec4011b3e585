namespace Orleans.Raft.KeyValue;

/// <summary>
/// A place in an <see cref="OrderedMap"/> or a snapshot of one. Starts at no entry: seek first. A move that answers
/// false leaves it at no entry. Not for use from two threads at once.
/// </summary>
public sealed class OrderedMapCursor
{
    private readonly MapNode _root;
    private readonly OrderedMap? _live;
    private readonly long _version;
    private MapBranch[] _path = new MapBranch[6];
    private int[] _places = new int[6];
    private int _depth;
    private MapLeaf? _leaf;
    private int _at;

    internal OrderedMapCursor(MapNode root, OrderedMap? live)
    {
        _root = root;
        _live = live;
        _version = live?.Version ?? 0;
    }

    /// <summary>The key here. The array is the map's own and must not be changed.</summary>
    /// <exception cref="InvalidOperationException">The cursor is at no entry.</exception>
    public byte[] Key => Leaf.Keys[_at];

    /// <summary>The value here. The array is the map's own: not to be changed, and of a live map valid until its next write.</summary>
    /// <exception cref="InvalidOperationException">The cursor is at no entry.</exception>
    public byte[] Value => Leaf.Values[_at];

    private MapLeaf Leaf => _leaf ?? throw new InvalidOperationException("The cursor is at no entry.");

    public bool SeekFirst() => SeekAtOrAfter([]);

    public bool SeekLast()
    {
        RequireCurrent();
        _depth = 0;
        DescendLast(_root);
        return _at >= 0 || Leave();
    }

    /// <summary>Goes to the first key that is not below the given one; false if there is none.</summary>
    public bool SeekAtOrAfter(ReadOnlySpan<byte> key)
    {
        DescendTo(key);
        return _at < _leaf!.Count || NextLeaf();
    }

    /// <summary>Goes to the last key below the given one; false if there is none.</summary>
    public bool SeekBefore(ReadOnlySpan<byte> key)
    {
        DescendTo(key);
        _at--;
        return _at >= 0 || PreviousLeaf();
    }

    public bool MoveNext()
    {
        RequireCurrent();
        _at++;
        return _at < Leaf.Count || NextLeaf();
    }

    public bool MovePrevious()
    {
        RequireCurrent();
        _ = Leaf;
        _at--;
        return _at >= 0 || PreviousLeaf();
    }

    private void DescendTo(ReadOnlySpan<byte> key)
    {
        RequireCurrent();
        _depth = 0;
        MapNode node = _root;
        while (node is MapBranch branch)
        {
            int place = branch.Bound(key, afterEqual: true);
            Push(branch, place);
            node = branch.Children[place];
        }
        _leaf = (MapLeaf)node;
        _at = _leaf.Bound(key, afterEqual: false);
    }

    private bool NextLeaf()
    {
        while (_depth > 0)
        {
            int top = _depth - 1;
            if (_places[top] < _path[top].Count)
            {
                DescendFirst(_path[top].Children[++_places[top]]);
                return true;
            }
            _depth--;
        }
        return Leave();
    }

    private bool PreviousLeaf()
    {
        while (_depth > 0)
        {
            int top = _depth - 1;
            if (_places[top] > 0)
            {
                DescendLast(_path[top].Children[--_places[top]]);
                return true;
            }
            _depth--;
        }
        return Leave();
    }

    private void DescendFirst(MapNode node)
    {
        while (node is MapBranch branch)
        {
            Push(branch, 0);
            node = branch.Children[0];
        }
        _leaf = (MapLeaf)node;
        _at = 0;
    }

    private void DescendLast(MapNode node)
    {
        while (node is MapBranch branch)
        {
            Push(branch, branch.Count);
            node = branch.Children[branch.Count];
        }
        _leaf = (MapLeaf)node;
        _at = _leaf.Count - 1;
    }

    private void Push(MapBranch branch, int place)
    {
        if (_depth == _path.Length)
        {
            Array.Resize(ref _path, _depth * 2);
            Array.Resize(ref _places, _depth * 2);
        }
        _path[_depth] = branch;
        _places[_depth++] = place;
    }

    private bool Leave()
    {
        _leaf = null;
        return false;
    }

    private void RequireCurrent()
    {
        if (_live is not null && _live.Version != _version)
            throw new InvalidOperationException("The map has changed since this cursor was made; read from a snapshot "
                + "instead.");
    }
}
