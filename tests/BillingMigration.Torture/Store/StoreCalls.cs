using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Store;
using BillingMigration.Store.DynamoDb;

namespace BillingMigration.Torture;

internal sealed class InsertCall(int number, EntityModel entity, ImmutableDictionary<string, object?> values, string? find) : StoreCall(number)
{
    private string? notFound;
    private BillingRecord? inserted;

    public override bool IsTraceable => entity.Entity is BillingEntity.Charge || find is not null;

    public override int? Traces(StoreMirror after) => entity.Entity is BillingEntity.Charge ? ChargesWith(after, values)
        : inserted is null ? 0
        : after.Find(entity, inserted.Row) is { } row && Has(entity, row, values.Where(v => v.Key == find)) ? 1 : 0;

    public override string ToString() => $"{Number} insert {entity.Entity} {string.Join(", ", values.Where(v => v.Key.EndsWith("_id", StringComparison.Ordinal) || v.Key == find).Select(v => $"{v.Key}={v.Value}"))}";

    public override async Task RunAsync(IBillingStore store, StoreMirror mirror, CancellationToken cancellationToken)
    {
        var record = inserted = Once is null
            ? await store.InsertAsync(entity.Entity, values, cancellationToken) : await store.InsertAsync(entity.Entity, values, Once.Key, cancellationToken);
        try
        {
            // Whoever has inserted a row finds it at once, whatever an index shows.
            if (find is not null && await store.FindAsync(entity.Entity, find, values[find]!, CancellationToken.None) is null
                && mirror.Find(entity.Entity, record.Get<long>(entity.Row[entity.PrimaryKey[0]].Column.Name)) is { } row && Has(entity, row, values.Where(v => v.Key == find)))
            {
                notFound = $"{record} is not found by {find} right after it was inserted";
            }
        }
        catch (Exception e) when (e is MigrationException or StoreException)
        {
            // The insert is done; that it cannot be read is trouble of another call.
        }
    }

    public override IEnumerable<string> Check(StoreMirror before, IReadOnlyList<RowDelta> deltas)
    {
        if (deltas is not [{ Before: null, After: { } row } delta] || delta.Model != entity || !Has(entity, row, values))
        {
            yield return $"wrote {string.Join("; ", deltas.Select(Shown))}";
        }
    }

    public IEnumerable<string> NotFound() => notFound is null ? [] : [notFound];

    protected override IEnumerable<(StoreError? Error, string Subject)> Candidates => KeysOf(entity);

    protected override bool Explains(StoreMirror mirror, StoreError? error, string subject) => ExplainsKeys(mirror, entity, RowOf(entity, values), error, subject);
}

/// <param name="id">Of the row, which is read first.</param>
internal sealed class UpdateCall(int number, EntityModel entity, long id, ImmutableDictionary<string, object?> values) : StoreCall(number)
{
    private static readonly string[] Untraced = ["account_number", "phone_number", "description", "bill_id", "amount"];

    private BillingRecord? read;

    public override bool IsTraceable => !values.Keys.Any(Untraced.Contains);

    public override string ToString() => $"{Number} update {entity.Entity} {id}: {string.Join(", ", values.Select(v => $"{v.Key}={v.Value}"))}";

    public override async Task RunAsync(IBillingStore store, StoreMirror mirror, CancellationToken cancellationToken)
    {
        read = await store.GetAsync(entity.Entity, entity.Row[entity.PrimaryKey[0]].Column.Name, id, cancellationToken);
        Watch(mirror);
        if (read is null)
        {
            DidNothing = true;
            return;
        }

        await store.UpdateAsync(read, values, cancellationToken);
    }

    public override IEnumerable<string> Check(StoreMirror before, IReadOnlyList<RowDelta> deltas)
    {
        if (deltas is not [{ Before: { } was, After: { } row } delta] || delta.Model != entity || !Has(entity, row, values) || Changed(delta).Any(c => !values.ContainsKey(c) && c != "updated_at"))
        {
            yield return $"changed {string.Join("; ", deltas.Select(d => d is { Before: not null, After: not null } ? $"{Shown(d)} ({string.Join(", ", Changed(d))})" : Shown(d)))}";
        }
        else if (!IsRecord(entity, was, read!))
        {
            yield return $"wrote over a row that was not as it was read";
        }
    }

    public override bool MayBeWithoutEffect => DidNothing || values.All(v => Has(entity, read!.Model == entity ? read.Row : RowOf(entity, ValuesOf(read)), [v]));

    protected override IEnumerable<(StoreError? Error, string Subject)> Candidates => [(null, ""), (StoreError.Conflict, entity.Entity), (StoreError.TooManyRows, "*"), .. KeysOf(entity)];

    protected override bool Explains(StoreMirror mirror, StoreError? error, string subject)
    {
        var row = mirror.Find(entity.Entity, id);
        return error switch
        {
            null => row is null || !mirror.IsSettled(entity, row),
            // A parent that gets another partition leaves a word for each of its children.
            StoreError.TooManyRows => row is not null && entity.Entity == BillingEntity.Bill && values.ContainsKey("account_id") && Reference.To(mirror.Model, entity).Sum(r => mirror.ChildrenOf(r, row).Count()) > 40,
            StoreError.Conflict => read is not null && (row is null || !IsRecord(entity, row, read)),
            // Of a row that is gone meanwhile, too: which of two refusals is told is nobody's promise.
            StoreError.DuplicateKey => UniqueValue.Of(entity, RowOf(entity, values)).Any(v => v.Constraint == subject && (row is null ? mirror.Has(v) : mirror.HasOther(v, entity.Describe(row)))),
            // A foreign key may have other columns of the row besides.
            _ => ExplainsKeys(mirror, entity, RowOf(entity, values), error, subject) || (row is not null && ExplainsKeys(mirror, entity, Updated(row), error, subject)),
        };
    }

    private RowBuffer Updated(RowBuffer row)
    {
        var after = row.Copy();
        foreach (var (name, value) in values)
        {
            ChangePlanner.SetValue(entity, after, EntityModel.Find(entity.Row, null, name), value);
        }

        return after;
    }

    private static Dictionary<string, object?> ValuesOf(BillingRecord record) => record.Columns.ToDictionary(c => c, c => record[c]);
}

internal sealed class DeleteCall(int number, EntityModel entity, long id) : StoreCall(number)
{
    private readonly HashSet<string> gone = [];
    private BillingRecord? read;
    private Dictionary<string, bool>? closure;

    public override string ToString() => $"{Number} delete {entity.Entity} {id}";

    public override async Task RunAsync(IBillingStore store, StoreMirror mirror, CancellationToken cancellationToken)
    {
        read = await store.GetAsync(entity.Entity, entity.Row[entity.PrimaryKey[0]].Column.Name, id, cancellationToken);
        Watch(mirror);
        if (read is null)
        {
            DidNothing = true;
            return;
        }

        await store.DeleteAsync(read, cancellationToken);
    }

    public override IEnumerable<string> Check(StoreMirror before, IReadOnlyList<RowDelta> deltas)
    {
        var row = before.Find(entity.Entity, id);
        if (closure is null && (row is null || !IsRecord(entity, row, read!)))
        {
            yield return "deleted what was not as it was read";
        }

        closure ??= row is null ? [] : Closure(before, entity, row);
        foreach (var delta in deltas)
        {
            var name = $"{delta.Model.Entity} {delta.Model.Describe((delta.After ?? delta.Before)!)}";
            if (!closure.TryGetValue(name, out var goes) || delta.Before is null || (goes && delta.After is not null && Intent is null) || (!goes && delta.After is null))
            {
                yield return $"touched what does not go with it: {Shown(delta)}";
            }

            gone.Add(name);
        }

        foreach (var name in Intent is null ? closure.Keys.Where(k => !gone.Contains(k)) : [])
        {
            yield return $"left {name}";
        }
    }

    protected override IEnumerable<(StoreError? Error, string Subject)> Candidates =>
        [(null, ""), (StoreError.Conflict, entity.Entity), .. entity.Entity == BillingEntity.Customer ? [(StoreError.HasChildren, "billing_account_customer")] : Array.Empty<(StoreError?, string)>()];

    protected override bool Explains(StoreMirror mirror, StoreError? error, string subject)
    {
        var row = mirror.Find(entity.Entity, id);
        return error switch
        {
            null => row is null || !mirror.IsSettled(entity, row),
            StoreError.Conflict => read is not null && (row is null || !IsRecord(entity, row, read)),
            _ => row is not null && Reference.To(mirror.Model, entity).Any(r => r.Name == subject && mirror.ChildrenOf(r, row).Any()),
        };
    }
}

internal sealed class PostCall(int number, StoreMirror mirror, ImmutableDictionary<string, object?> charge) : StoreCall(number)
{
    private readonly EntityModel entity = mirror.Model[BillingEntity.Charge];

    public long Account => Convert.ToInt64(charge["account_id"], null);

    public decimal Sum => (decimal)charge["amount"]! + (decimal)charge["tax_amount"]!;

    public override bool IsTraceable => true;

    public override int? Traces(StoreMirror after) => ChargesWith(after, charge);

    public override string ToString() => $"{Number} post {charge["amount"]} to {charge["account_id"]}, subscriber {charge.GetValueOrDefault("subscriber_id")}, bill {charge.GetValueOrDefault("bill_id")}";

    public override Task RunAsync(IBillingStore store, StoreMirror mirror, CancellationToken cancellationToken) =>
        Once is null ? store.PostChargeAsync(charge, null, cancellationToken) : store.PostChargeAsync(charge, Once.Key, null, cancellationToken);

    public override IEnumerable<string> Check(StoreMirror before, IReadOnlyList<RowDelta> deltas)
    {
        var posted = deltas.Where(d => d.Model == entity && d is { Before: null, After: { } row } && Has(entity, row, charge)).ToArray();
        if (posted.Length != 1 || deltas.Count > 2 || !deltas.All(d => d == posted[0] || IsSum(d, Sum)) || (deltas.Count == 1 && Rounded(before, Sum)))
        {
            yield return $"wrote {string.Join("; ", deltas.Select(d => $"{Shown(d)}{(d is { Before: not null, After: not null } ? $" ({string.Join(", ", Changed(d))})" : "")}"))}";
        }
    }

    private static bool IsSum(RowDelta delta, decimal sum) => delta is { Before: { } was, After: { } now } && delta.Model.Entity == BillingEntity.Account && Changed(delta).All(c => c is "balance" or "updated_at")
        && BillingAmounts.Balance(delta.Model, now) == decimal.Round(BillingAmounts.Balance(delta.Model, was) + sum, 2, MidpointRounding.AwayFromZero);

    private bool Rounded(StoreMirror before, decimal sum) => before.Find(BillingEntity.Account, Account) is { } account
        && BillingAmounts.Balance(before.Model[BillingEntity.Account], account) is var was && decimal.Round(was + sum, 2, MidpointRounding.AwayFromZero) != was;

    protected override IEnumerable<(StoreError? Error, string Subject)> Candidates =>
        [(StoreError.ParentMissing, "account_id"), (StoreError.ValueInvalid, "balance"), .. KeysOf(entity)];

    protected override bool Explains(StoreMirror mirror, StoreError? error, string subject)
    {
        var (accounts, account) = (mirror.Model[BillingEntity.Account], mirror.Find(BillingEntity.Account, Account));
        return subject switch
        {
            "account_id" => account is null || !mirror.IsSettled(accounts, account),
            "balance" => account is not null && !BillingAmounts.Fits(BillingAmounts.Balance(accounts, account) + Sum),
            _ => ExplainsKeys(mirror, entity, RowOf(entity, charge), error, subject),
        };
    }
}

internal static class BillingAmounts
{
    /// <summary>Most that DECIMAL(14,2) holds, as the sample's sums are.</summary>
    public const decimal Most = 999_999_999_999.99m;

    public static bool Fits(decimal sum) => Math.Abs(decimal.Round(sum, 2, MidpointRounding.AwayFromZero)) <= Most;

    public static decimal Balance(EntityModel account, RowBuffer row) => Of(account, row, "balance");

    public static decimal Of(EntityModel model, RowBuffer row, string column) => BillingOperations.Amount(new BillingRecord(model, row), column);
}

internal sealed class PayCall(int number, StoreMirror mirror, long bill, decimal amount) : StoreCall(number)
{
    private static readonly DateTime At = new(2026, 3, 1, 0, 0, 0, DateTimeKind.Utc);

    private readonly EntityModel entity = mirror.Model[BillingEntity.Bill];

    public long Bill => bill;

    public decimal Amount => amount;

    public override bool IsTraceable => true;

    public override string ToString() => $"{Number} pay {amount} of bill {bill}";

    public override Task RunAsync(IBillingStore store, StoreMirror mirror, CancellationToken cancellationToken) =>
        Once is null ? store.PayAsync(bill, amount, At, null, cancellationToken) : store.PayAsync(bill, amount, At, Once.Key, null, cancellationToken);

    public override IEnumerable<string> Check(StoreMirror before, IReadOnlyList<RowDelta> deltas)
    {
        var paid = deltas.FirstOrDefault(d => d.Model == entity);
        var account = deltas.FirstOrDefault(d => d.Model.Entity == BillingEntity.Account);
        if (deltas.Count != 2 || paid is not { Before: { } was, After: { } now } || account is not { Before: { } poor, After: { } rich }
            || BillingAmounts.Of(entity, now, "amount_paid") != BillingAmounts.Of(entity, was, "amount_paid") + amount || BillingAmounts.Balance(account.Model, rich) != BillingAmounts.Balance(account.Model, poor) - amount
            || Changed(paid).Any(c => c is not ("amount_paid" or "status" or "paid_at")) || Changed(account).Any(c => c is not ("balance" or "updated_at")))
        {
            yield return $"wrote {string.Join("; ", deltas.Select(d => $"{Shown(d)}{(d is { Before: not null, After: not null } ? $" ({string.Join(", ", Changed(d))})" : "")}"))}";
        }
        else if (BillingAmounts.Of(entity, now, "amount_paid") >= BillingAmounts.Of(entity, now, "total") && new BillingRecord(entity, now).Text("status") != "PAID")
        {
            yield return "left a bill open that is paid";
        }
    }

    protected override IEnumerable<(StoreError? Error, string Subject)> Candidates => 
        [(StoreError.ParentMissing, "bill_id"), (StoreError.ValueInvalid, "amount_paid"), (StoreError.ValueInvalid, "balance")];

    protected override bool Explains(StoreMirror mirror, StoreError? error, string subject)
    {
        var row = mirror.Find(BillingEntity.Bill, bill);
        return subject switch
        {
            "bill_id" => row is null,
            "amount_paid" => decimal.Round(amount, 2) != amount || (row is not null && !Fits(row)),
            _ => row is not null && AccountOf(mirror, row) is { } account && !BillingAmounts.Fits(BillingAmounts.Balance(mirror.Model[BillingEntity.Account], account) - amount),
        };
    }

    private bool Fits(RowBuffer row)
    {
        var (paid, total) = (BillingAmounts.Of(entity, row, "amount_paid") + amount, BillingAmounts.Of(entity, row, "total"));
        return amount > 0 ? paid <= total : paid >= Math.Min(0, total);
    }

    private RowBuffer? AccountOf(StoreMirror mirror, RowBuffer row) => mirror.Find(BillingEntity.Account, new BillingRecord(entity, row).Get<long>("account_id"));
}

internal sealed class BillRunCall(int number, StoreMirror mirror, long account, ImmutableDictionary<string, object?> bill) : StoreCall(number)
{
    private readonly EntityModel charges = mirror.Model[BillingEntity.Charge];
    private readonly EntityModel bills = mirror.Model[BillingEntity.Bill];

    /// <summary>Charges that were unbilled when the call began, and have been all the time since.</summary>
    private HashSet<string>? due;

    private decimal subtotal;
    private decimal tax;
    private string? billed;
    private bool isMade;
    private BillingRecord? made;

    public override bool IsTraceable => true;

    public override bool HasMade => isMade || made is not null;

    /// <summary>The bill with the sums of its charges.</summary>
    public override int? Traces(StoreMirror after)
    {
        if (made is null)
        {
            return Told == Told.Done ? 0 : null;
        }

        var mine = after.Of(BillingEntity.Charge).Where(r => new BillingRecord(charges, r).Text("bill_id") == made.Text("bill_id")).ToArray();
        var (net, vat) = (Round(mine.Sum(c => BillingAmounts.Of(charges, c, "amount"))), Round(mine.Sum(c => BillingAmounts.Of(charges, c, "tax_amount"))));
        return after.Find(bills, made.Row) is { } row && BillingAmounts.Of(bills, row, "subtotal") == net && BillingAmounts.Of(bills, row, "tax_amount") == vat ? 1 : 0;
    }

    private int BillColumn => EntityModel.Find(charges.Row, null, "bill_id");

    private static decimal Round(decimal sum) => decimal.Round(sum, 2, MidpointRounding.AwayFromZero);

    public override string ToString() => $"{Number} bill run of {account}";

    public override async Task RunAsync(IBillingStore store, StoreMirror mirror, CancellationToken cancellationToken)
    {
        due = [.. Unbilled(mirror, settled: true)];
        made = Once is null ? await store.RunBillAsync(account, bill, null, cancellationToken) : await store.RunBillAsync(account, bill, Once.Key, null, cancellationToken);
        DidNothing = made is null;
    }

    public override IEnumerable<string> Check(StoreMirror before, IReadOnlyList<RowDelta> deltas)
    {
        foreach (var delta in deltas.Where(d => d.Model == charges))
        {
            var (was, now) = (delta.Before, delta.After);
            if (was is null || now is null || !was.IsNull(EntityModel.Find(charges.Row, null, "bill_id")) || Changed(delta).Any(c => c != "bill_id") || new BillingRecord(charges, was).Get<long>("account_id") != account)
            {
                yield return $"billed {Shown(delta)}";
                continue;
            }

            if (isMade)
            {
                yield return $"billed {Shown(delta)} to a bill that was made";
            }

            (subtotal, tax) = (subtotal + BillingAmounts.Of(charges, was, "amount"), tax + BillingAmounts.Of(charges, was, "tax_amount"));
            due?.Remove(charges.Describe(was));
            billed ??= new BillingRecord(charges, now).Text("bill_id");
            if (billed != new BillingRecord(charges, now).Text("bill_id"))
            {
                yield return "billed to two bills";
            }
        }

        foreach (var delta in deltas.Where(d => d.Model != charges))
        {
            if (delta.Model != bills || delta.Before is not null || delta.After is not { } row)
            {
                yield return $"touched {Shown(delta)}";
                continue;
            }

            var record = new BillingRecord(bills, row);
            var (net, vat) = (decimal.Round(subtotal, 2, MidpointRounding.AwayFromZero), decimal.Round(tax, 2, MidpointRounding.AwayFromZero));
            if (record.Get<decimal>("subtotal") != net || record.Get<decimal>("tax_amount") != vat || record.Get<decimal>("total") != net + vat || record.Text("bill_id") != billed)
            {
                yield return $"made a bill of {record["total"]} for charges of {net + vat}";
            }

            if (bill.TryGetValue(SimulatedShop.LaterColumn, out var later) && !Equals(Convert.ToInt64(later, null), record.Get<long>(SimulatedShop.LaterColumn)))
            {
                yield return $"made a bill without its {SimulatedShop.LaterColumn}";
            }

            isMade = true;
            var mine = before.Of(BillingEntity.Charge).Concat(deltas.Where(d => d.Model == charges && d.Before!.IsNull(BillColumn)).Select(d => d.After!)).Where(c => new BillingRecord(charges, c).Text("bill_id") == billed).ToArray();
            if (Round(mine.Sum(c => BillingAmounts.Of(charges, c, "amount"))) != net)
            {
                yield return $"made a bill of {net} that has charges of {mine.Sum(c => BillingAmounts.Of(charges, c, "amount"))}";
            }

            var left = Unbilled(before).Where(c => due?.Contains(c) == true && !deltas.Any(d => d.Model == charges && charges.Describe(d.After!) == c)).ToArray();
            if (left.Length > 0)
            {
                yield return $"left {left.Length} charges unbilled that were unbilled all the time, {left[0]} among them";
            }
        }
    }

    protected override IEnumerable<(StoreError? Error, string Subject)> Candidates => 
        [(null, ""), (StoreError.ParentMissing, "*"), (StoreError.DuplicateKey, "bill_number"), (StoreError.DuplicateKey, UniqueValue.PrimaryKey), (StoreError.ValueInvalid, "*")];

    protected override bool Explains(StoreMirror mirror, StoreError? error, string subject)
    {
        // What is billed or gone at any moment of the call is none that it must bill.
        if (due is not null)
        {
            due.IntersectWith(Unbilled(mirror));
        }

        return error switch
        {
            // What is left of an account that is gone goes with it.
            null => mirror.Find(BillingEntity.Account, account) is null || !Unbilled(mirror, settled: true).Any(),
            StoreError.ParentMissing => mirror.Find(BillingEntity.Account, account) is null,
            StoreError.ValueInvalid => !Fits(mirror),
            _ => UniqueValue.Of(bills, RowOf(bills, bill)).Any(v => v.Constraint == subject && mirror.Has(v)),
        };
    }

    private bool Fits(StoreMirror mirror)
    {
        var (net, vat) = (0m, 0m);
        foreach (var row in UnbilledRows(mirror))
        {
            (net, vat) = (net + BillingAmounts.Of(charges, row, "amount"), vat + BillingAmounts.Of(charges, row, "tax_amount"));
        }

        return BillingAmounts.Fits(net) && BillingAmounts.Fits(vat) && BillingAmounts.Fits(net + vat);
    }

    private IEnumerable<string> Unbilled(StoreMirror mirror, bool settled = false) =>
        UnbilledRows(mirror).Where(r => !settled || mirror.IsSettled(charges, r)).Select(charges.Describe);

    private IEnumerable<RowBuffer> UnbilledRows(StoreMirror mirror)
    {
        var (accountColumn, billColumn) = (EntityModel.Find(charges.Row, null, "account_id"), EntityModel.Find(charges.Row, null, "bill_id"));
        var reference = Reference.Of(mirror.Model, charges).First(r => r.Name == "charge_account");
        var like = RowBuffer.AllNull(reference.Parent.Row.Length);
        like.Set(reference.ParentColumns[0], account.ToString(System.Globalization.CultureInfo.InvariantCulture));
        return mirror.ChildrenOf(reference, like).Where(r => r.IsNull(billColumn));
    }
}
