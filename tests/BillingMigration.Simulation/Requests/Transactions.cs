using System.Text.Json;

namespace BillingMigration.Simulation;

/// <summary>TransactWriteItems: locks from arrival until commit, conditions and writes at one instant, and idempotency tokens.</summary>
internal sealed class Transactions(Database database, Chance chance, SimulationOptions options, VirtualTime time)
{
    private const int MaxItems = 100;
    private const int MaxBytes = 4 << 20;
    private readonly Dictionary<string, Token> tokens = new(StringComparer.Ordinal);

    /// <summary>Begins a transaction. <paramref name="done"/> gets its answer, or its error, after its end.</summary>
    public void Begin(SimulatedRequest sent, JsonElement request, bool conflict, Action<Action<Utf8JsonWriter>?, ServiceError?, TimeSpan> done)
    {
        var capacity = Capacity.Of(request);
        var writes = Read(request);
        var token = FindToken(request, out var isDone);
        if (isDone)
        {
            done(json => capacity.WriteAll(json, detailed: true), null, TimeSpan.Zero);
            return;
        }

        RefuseConflicts(writes, conflict);
        if (token is not null)
        {
            tokens[token.Text] = token;
        }

        var owner = new object();
        writes.ForEach(w => w.Table.Lock(w.Key, owner));
        var span = chance.Span(options.TransactionWork);
        if (span == TimeSpan.Zero)
        {
            End();
        }
        else
        {
            time.Schedule(span, End);
        }

        void End()
        {
            writes.ForEach(w => w.Table.Unlock(w.Key, owner));
            try
            {
                var seenAfter = Commit(sent, writes, capacity);
                token?.Complete(time.Now + options.TokenLife.Ticks);
                done(json => capacity.WriteAll(json, detailed: true), null, seenAfter);
            }
            catch (ServiceError error)
            {
                // What was cancelled leaves no token: the same request is executed anew.
                tokens.Remove(token?.Text ?? string.Empty);
                done(null, error, TimeSpan.Zero);
            }
        }
    }

    private TimeSpan Commit(SimulatedRequest sent, List<ItemWrite> writes, Capacity capacity)
    {
        var reasons = new List<Cancellation>(writes.Count);
        var changes = new List<(Table Table, ItemKey Key, Item? After)>(writes.Count);
        foreach (var write in writes)
        {
            var before = write.Table.Current(write.Key);
            if (!write.ConditionHolds(before))
            {
                reasons.Add(new Cancellation(Cancellation.ConditionFailed, write.ReturnsOldOnFailure ? before : null, "The conditional request failed"));
                continue;
            }

            try
            {
                var after = write.Apply(before);
                changes.Add((write.Table, write.Key, after));
                capacity.AddWrite(write.Table.Schema, before, after, 2);
                reasons.Add(new Cancellation(Cancellation.None, null));
            }
            catch (ServiceError error)
            {
                reasons.Add(new Cancellation("ValidationError", null, error.Message));
            }
        }

        if (reasons.Any(r => r.Code != Cancellation.None))
        {
            throw Cancellation.Error(reasons);
        }

        // What an update makes of an item is known only here; a check and a deletion count the item that is there.
        RequireSize(changes.Sum(c => (long)Math.Max(c.After?.Size ?? 0, c.Table.Current(c.Key)?.Size ?? 0)));
        return database.Commit(sent, changes, isTransaction: true);
    }

    private void RefuseConflicts(List<ItemWrite> writes, bool conflict)
    {
        var spurious = conflict ? 0 : chance.Of(options.SpuriousConflict) ? chance.Below(writes.Count) : -1;
        var throttled = chance.Of(options.TransactionThrottle) ? chance.Below(writes.Count) : -1;
        var reason = throttled >= 0 && chance.Of(0.5) ? "ThrottlingError" : "ProvisionedThroughputExceeded";
        var reasons = writes.Select((w, i) => new Cancellation(
            w.Table.IsLocked(w.Key) || i == spurious ? Cancellation.Conflict : i == throttled ? reason : Cancellation.None, null)).ToList();
        if (reasons.Any(r => r.Code != Cancellation.None))
        {
            throw Cancellation.Error(reasons);
        }
    }

    private List<ItemWrite> Read(JsonElement request)
    {
        var writes = new List<ItemWrite>();
        var bytes = 0;
        foreach (var element in request.Required("TransactItems"u8).EnumerateArray())
        {
            var (kind, given) = ReadKind(element);
            writes.Add(ItemWrite.Read(kind, given, database.Find(given), database.Expressions));
            bytes += writes[^1].RequestSize;
        }

        if (writes.Count is 0 or > MaxItems)
        {
            throw ServiceError.Invalid($"Member must have length less than or equal to {MaxItems}, and at least 1");
        }

        if (writes.Select(w => (w.Table, w.Key)).Distinct().Count() != writes.Count)
        {
            throw ServiceError.Invalid("Transaction request cannot include multiple operations on one item");
        }

        RequireSize(bytes);
        return writes;
    }

    /// <summary>AWS: "The aggregate size of the items in the transaction cannot exceed 4 MB", of reads and of writes.</summary>
    public static void RequireSize(long bytes)
    {
        if (bytes > MaxBytes)
        {
            throw ServiceError.Invalid("The aggregate size of the items in the transaction exceeds the limit of 4 MB");
        }
    }

    private static (WriteKind Kind, JsonElement Given) ReadKind(JsonElement element)
    {
        (WriteKind Kind, JsonElement Given)? found = null;
        foreach (var member in element.EnumerateObject().Where(m => m.Value.ValueKind != JsonValueKind.Null))
        {
            if (found is not null || !Enum.TryParse<WriteKind>(member.Name, out var kind))
            {
                throw ServiceError.Invalid("TransactItems can only contain one of Check, Put, Update or Delete");
            }

            found = (kind, member.Value);
        }

        if (found is not { } write)
        {
            throw ServiceError.Invalid("TransactItems can only contain one of Check, Put, Update or Delete");
        }

        var missing = write.Kind == WriteKind.ConditionCheck ? "ConditionExpression" : write.Kind == WriteKind.Update ? "UpdateExpression" : null;
        return missing is null || write.Given.TryGetProperty(missing, out _) ? write : throw ServiceError.Invalid($"{missing} must be given in a transaction");
    }

    private Token? FindToken(JsonElement request, out bool isDone)
    {
        isDone = false;
        if (request.Text("ClientRequestToken"u8) is not { } text)
        {
            return null;
        }

        var items = request.GetProperty("TransactItems"u8);
        if (!tokens.TryGetValue(text, out var known) || known.Ends < time.Now)
        {
            return new Token(text, items.Clone());
        }

        if (!known.Matches(items))
        {
            throw new ServiceError("IdempotentParameterMismatchException", "The token was used with other parameters");
        }

        isDone = known.IsDone ? true : throw new ServiceError("TransactionInProgressException", "The transaction with this token is still in progress");
        return known;
    }

    private sealed class Token(string text, JsonElement items)
    {
        private readonly string raw = items.GetRawText();

        public string Text => text;

        public bool IsDone { get; private set; }

        public long Ends { get; private set; } = long.MaxValue;

        public bool Matches(JsonElement other) => raw == other.GetRawText() || RequestMembers.Canonical(items) == RequestMembers.Canonical(other);

        public void Complete(long ends) => (IsDone, Ends) = (true, ends);
    }
}
