using System.Text;
using System.Text.Json;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Sync;

/// <summary>Writes a window's changes, many batches at the same time.</summary>
internal sealed class WindowWriter(IBatchWriter writer, int writers, bool setAside) : IDisposable
{
    private readonly ItemBatch[] batches = [.. Enumerable.Range(0, writers).Select(_ => new ItemBatch())];
    private long put;
    private long deleted;

    public long Put => Interlocked.Read(ref put);

    public long Deleted => Interlocked.Read(ref deleted);

    /// <summary>Returns when all of the window is in the table. Rows that the table refuses are added to those set aside.</summary>
    /// <exception cref="MigrationException">The table or the way to it failed for good, or <c>RowsRefused</c>.</exception>
    public async Task WriteAsync(ChangeWindow window, CancellationToken cancellationToken)
    {
        var parts = (window.Count + ItemBatch.MaxItems - 1) / ItemBatch.MaxItems;
        if (parts == 0)
        {
            return;
        }

        var next = -1;
        async Task WriteSomeAsync(ItemBatch batch)
        {
            for (var part = Interlocked.Increment(ref next); part < parts; part = Interlocked.Increment(ref next))
            {
                batch.Clear();
                window.CopyTo(batch, part * ItemBatch.MaxItems);
                Take(await writer.WriteAsync(batch, cancellationToken), batch, window);
            }
        }

        await Task.WhenAll(batches.Take(Math.Min(parts, writers)).Select(batch => Task.Run(() => WriteSomeAsync(batch), CancellationToken.None)));
    }

    public void Dispose()
    {
        foreach (var batch in batches)
        {
            batch.Dispose();
        }
    }

    private void Take(BatchWriteResult result, ItemBatch batch, ChangeWindow window)
    {
        Interlocked.Add(ref put, batch.Count - batch.Deletes);
        Interlocked.Add(ref deleted, batch.Deletes);
        if (result.Rejected.IsDefaultOrEmpty)
        {
            return;
        }

        foreach (var rejected in result.Rejected)
        {
            var row = new SetAsideRow(EntityOf(batch.Item(rejected.Index).Span), Encoding.UTF8.GetString(batch.Key(rejected.Index).Span) + "}", SetAsideRow.RejectedByTable, rejected.Message);
            if (!setAside)
            {
                throw SyncErrors.RowRefused(row);
            }

            lock (window.SetAside)
            {
                window.SetAside.Add(row);
            }
        }
    }

    /// <summary>The entity that an item names; empty for a delete, which has its key only.</summary>
    private static string EntityOf(ReadOnlySpan<byte> item)
    {
        var json = new Utf8JsonReader(item);
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var isEntity = json.ValueTextEquals(EntityModel.EntityAttribute);
            json.Read();
            if (isEntity)
            {
                json.Read();
                json.Read();
                return json.GetString() ?? "";
            }

            json.Skip();
        }

        return "";
    }
}
