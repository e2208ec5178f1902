namespace BillingMigration.Sync;

/// <summary>Changes of an XA transaction between its prepare and its end, cut where the children of parent rows are to be followed.</summary>
internal sealed class HeldTransaction : IDisposable
{
    private readonly Queue<HeldPart> parts = new();
    private ChangeWindow window = new();
    private int count;

    /// <summary>Receives the changes.</summary>
    public ChangeWindow Window => window;

    /// <summary>Items that it changes.</summary>
    public int Count => count + window.Count;

    /// <summary>Ends a part with a batch of parent rows.</summary>
    /// <param name="rows">Rows of the transaction in front of the batch.</param>
    public void Cut(long rows, CascadeBatch? batch)
    {
        count += window.Count + (batch?.Own.Count ?? 0);
        parts.Enqueue(new HeldPart(window, rows, batch));
        window = new ChangeWindow();
    }

    /// <summary>The next part, to be applied; null at the end.</summary>
    public HeldPart? Next() => parts.TryDequeue(out var part) ? part : null;

    public void Dispose()
    {
        window.Dispose();
        foreach (var part in parts)
        {
            part.Changes.Dispose();
            part.Batch?.Dispose();
        }
    }
}

/// <param name="Rows">Rows of the transaction up to and with <paramref name="Changes"/>.</param>
/// <param name="Batch">Follows the changes; null at the end of the transaction.</param>
internal sealed record HeldPart(ChangeWindow Changes, long Rows, CascadeBatch? Batch);
