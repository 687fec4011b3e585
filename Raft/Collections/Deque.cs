namespace Orleans.Raft.Core;

/// <summary>A growable queue whose items can be changed in place; keeps its array, so a steady state allocates
/// nothing.</summary>
internal sealed class Deque<T>
{
    private T[] _items = new T[8];
    private int _head;

    public int Count { get; private set; }

    /// <summary>The item at <paramref name="position"/>, 0 being the oldest.</summary>
    public ref T this[int position] => ref _items[(_head + position) & (_items.Length - 1)];

    public void PushBack(T item)
    {
        if (Count == _items.Length) Grow();
        this[Count] = item;
        Count++;
    }

    public T PopFront()
    {
        Invariant.Require(Count > 0, "popped an empty queue");
        ref T slot = ref this[0];
        T item = slot;
        slot = default!;
        _head = (_head + 1) & (_items.Length - 1);
        Count--;
        return item;
    }

    public void Clear()
    {
        Array.Clear(_items);
        _head = 0;
        Count = 0;
    }

    private void Grow()
    {
        var larger = new T[_items.Length * 2];
        for (int i = 0; i < Count; i++) larger[i] = this[i];
        _items = larger;
        _head = 0;
    }
}
