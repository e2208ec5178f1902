using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Bills an account's unbilled charges in parts: each part gives charges the bill's number and adds their sums to the intent, in one transaction. The bill with its sums is written last.
/// </summary>
internal sealed class LargeBillRun(BillingModel model, Intent intent, RowFinder finder, RowParts rowParts, TransactionSender sender, IntentLog log, TimeProvider time)
{
    private const int MostHeld = 80;

    private readonly EntityModel bill = intent.Bill!;
    private readonly RowBuffer billRow = ItemCodec.Decode(intent.Bill!, intent.BillItem!);
    private readonly IntentParts written = new(model, intent, finder, sender, log, time);
    private readonly EntityModel charge = BoundQuery.EntityOf(model, BillingEntity.Charge);

    /// <summary>Bills what is unbilled now, and ends the unit. May begin anew any number of times.</summary>
    /// <returns>The bill; null: others had billed all charges by themselves.</returns>
    public async Task<BillingRecord?> RunAsync(CancellationToken cancellationToken)
    {
        var (accountColumn, billColumn) = (StoreColumns.Find(charge, intent.Columns.AccountId), StoreColumns.Find(charge, intent.Columns.BillId));
        var unbilled = RowBuffer.AllNull(charge.Row.Length);
        unbilled.Take(accountColumn, billRow, StoreColumns.Find(bill, intent.Columns.AccountId));
        var held = new List<RowBuffer>();
        await foreach (var row in finder.ListAsync(charge, unbilled, [accountColumn, billColumn], cancellationToken))
        {
            held.Add(row);
            if (held.Count == MostHeld)
            {
                await BillAsync(held, billColumn, cancellationToken);
                held.Clear();
            }
        }

        await BillAsync(held, billColumn, cancellationToken);
        return await EndAsync(cancellationToken);
    }

    private Task BillAsync(List<RowBuffer> charges, int billColumn, CancellationToken cancellationToken) => written.WriteAsync(
        charge, charges, now => now.IsNull(billColumn), (parts, row) => AddAsync(parts, row, billColumn, cancellationToken), Sums, cancellationToken);

    private async Task AddAsync(TransactionParts parts, RowBuffer row, int billColumn, CancellationToken cancellationToken)
    {
        var after = row.Copy();
        after.Take(billColumn, billRow, StoreColumns.Find(bill, intent.Columns.BillId));
        await rowParts.AddRowAsync(parts, charge, row, after, [(bill, null, billRow)], cancellationToken);
    }

    private (decimal Subtotal, decimal Tax) Sums(RowBuffer row)
    {
        var record = new BillingRecord(charge, row);
        return (record.Get<decimal>(intent.Columns.ChargeAmount), record.Get<decimal>(intent.Columns.ChargeTax));
    }

    private async Task<BillingRecord?> EndAsync(CancellationToken cancellationToken)
    {
        var parts = new TransactionParts(model.Definition, time);
        var row = billRow.Copy();
        var (charges, subtotal, tax) = await log.SumsAsync(intent, cancellationToken) ?? throw new StoreException(StoreError.Conflict, intent.Id, "Another has ended this bill run.");
        if (charges > 0)
        {
            foreach (var (name, value) in BillingOperations.Sums(subtotal, tax, intent.Columns))
            {
                var column = StoreColumns.Find(bill, name);
                row.Set(column, StoreValue.ToText(bill, column, value!));
            }

            await rowParts.AddRowAsync(parts, bill, null, row, [], cancellationToken);
        }
        else
        {
            foreach (var value in UniqueValue.Of(bill, row))
            {
                parts.GiveBack(value);
            }
        }

        log.End(parts, intent);
        await sender.SendAsync(parts, cancellationToken);
        return charges > 0 ? new BillingRecord(bill, row) : null;
    }
}
