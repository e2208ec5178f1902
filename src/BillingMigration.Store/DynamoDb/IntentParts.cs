using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>Writes rows of a large unit in as few transactions as they fit in; those that another has changed meanwhile one by one, as they are then.</summary>
internal sealed class IntentParts(BillingModel model, Intent intent, RowFinder finder, TransactionSender sender, IntentLog log, TimeProvider time)
{
    /// <param name="isWanted">False: what became of the row is none of the unit's any more.</param>
    /// <param name="add">Adds what is to be done with a row.</param>
    /// <param name="sums">What the intent adds up of rows.</param>
    public async Task WriteAsync(
        EntityModel entity, IReadOnlyList<RowBuffer> rows, Func<RowBuffer, bool> isWanted, Func<TransactionParts, RowBuffer, Task> add,
        Func<RowBuffer, (decimal Subtotal, decimal Tax)>? sums, CancellationToken cancellationToken)
    {
        for (var next = 0; next < rows.Count;)
        {
            var parts = new TransactionParts(model.Definition, time);
            var first = next;
            for (; next < rows.Count && !parts.IsFull; next++)
            {
                await add(parts, rows[next]);
            }

            var some = rows.Skip(first).Take(next - first).ToArray();
            try
            {
                await SendAsync(parts, some, sums, cancellationToken);
            }
            catch (StoreException e) when (IsChanged(e))
            {
                foreach (var row in some)
                {
                    await WriteAloneAsync(entity, row, isWanted, add, sums, cancellationToken);
                }
            }
        }
    }

    private async Task WriteAloneAsync(
        EntityModel entity, RowBuffer row, Func<RowBuffer, bool> isWanted, Func<TransactionParts, RowBuffer, Task> add, Func<RowBuffer, (decimal Subtotal, decimal Tax)>? sums, CancellationToken cancellationToken)
    {
        while (await finder.FindAsync(entity, row, entity.PrimaryKey, cancellationToken) is { } now && isWanted(now))
        {
            var parts = new TransactionParts(model.Definition, time);
            await add(parts, now);
            try
            {
                await SendAsync(parts, [now], sums, cancellationToken);
                return;
            }
            catch (StoreException e) when (IsChanged(e))
            {
                // Once more.
            }
        }
    }

    private async Task SendAsync(TransactionParts parts, RowBuffer[] rows, Func<RowBuffer, (decimal Subtotal, decimal Tax)>? sums, CancellationToken cancellationToken)
    {
        var all = sums is null ? [] : rows.Select(sums).ToArray();
        log.GoOn(parts, intent, rows.Length, all.Sum(s => s.Subtotal), all.Sum(s => s.Tax));
        await sender.SendAsync(parts, cancellationToken);
    }

    private bool IsChanged(StoreException e) => e.Error == StoreError.Conflict && !IntentLog.IsTakenOver(e, intent);
}
