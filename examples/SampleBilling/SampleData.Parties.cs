using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace SampleBilling;

// Customers, accounts, subscribers and agreements. JSON is written as MySQL itself writes it (shorter keys first, then in byte order; a space
// after colon and comma), so that MariaDB, which keeps the text, holds the same.
public sealed partial class SampleData
{
    private static readonly JsonSerializerOptions Unescaped = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private CustomerRow Customer(ulong id, in AccountShape shape)
    {
        var random = new SampleRandom(Seed, Sequence.Customer, (long)id);
        var type = shape.Enterprise ? "ENTERPRISE" : shape.Subscribers > 3 || random.Chance(4) ? "BUSINESS" : "RESIDENTIAL";
        var person = type == "RESIDENTIAL" || random.Chance(60);
        var first = person ? random.Pick(SampleWords.FirstNames) : null;
        var last = person ? random.Pick(SampleWords.LastNames) : null;
        var company = type == "RESIDENTIAL"
            ? null
            : $"{random.Pick(SampleWords.Companies)} {random.Pick(SampleWords.LegalForms)}{(type == "ENTERPRISE" ? " Group" : "")}";
        var email = random.Below(100) switch { < 82 => $"customer.{id}@example.com", < 90 => "", _ => (string?)null };
        var birth = type == "RESIDENTIAL" && !random.Chance(10) ? new DateTime(1930, 1, 1).AddDays(random.Below(28_000)) : (DateTime?)null;
        var tax = type == "RESIDENTIAL" ? null : string.Create(CultureInfo.InvariantCulture, $"DE{random.Below(1_000_000_000):D9}");
        var address = Address(ref random);
        var notes = random.Below(100) switch { < 12 => random.Pick(SampleWords.Notes), < 18 => "", _ => (string?)null };
        var created = MomentBefore(ref random, 3000);
        return new(
            id, $"C{id:D9}", type, first, last, company, email, birth, tax, address, random.Chance(40), notes, created,
            random.Chance(30) ? MomentIn(ref random, StartOf(random.Below(SamplePlan.Months))) : created);
    }

    private static string Address(ref SampleRandom random)
    {
        var street = JsonSerializer.Serialize($"{random.Pick(SampleWords.Streets)} {1 + random.Below(180)}", Unescaped);
        // The last digit is never 0: a JSON number has one shortest form, and both servers give that back.
        var lat = 36_000_00L + random.Below(22_000_00);
        var lon = 10_000_00L + random.Below(14_000_00);
        return string.Create(CultureInfo.InvariantCulture,
            $"{{\"geo\": {{\"lat\": {Scaled(lat * 10 + 1 + random.Below(9), 6)}, \"lon\": {Scaled(lon * 10 + 1 + random.Below(9), 6)}}}, \"zip\": \"{random.Below(100_000):D5}\", \"city\": \"{random.Pick(SampleWords.Cities)}\", \"street\": {street}, \"country\": \"{random.Pick(SampleWords.Countries)}\"}}");
    }

    private AccountRow Account(PlacedAccount account)
    {
        var shape = account.Shape;
        var random = new SampleRandom(Seed, Sequence.Account, shape.Index);
        var opened = shape.FirstMonth == 0 ? MomentBefore(ref random, 2500) : StartOf(shape.FirstMonth).AddSeconds(-1 - random.Below(86_400));
        var closed = shape.Closed ? MomentIn(ref random, StartOf(shape.LastMonth + 1)) : (DateTime?)null;
        var status = shape.Closed ? "CLOSED" : random.Chance(4) && !shape.Enterprise ? "SUSPENDED" : "ACTIVE";
        var scale = shape.Enterprise ? 20_000_000 : 20_000;
        var balance = Cents(random.Chance(35) ? 0 : random.Below(scale) - scale / 5);
        var limit = random.Chance(30) ? (decimal?)null : Cents(100L * (shape.Enterprise ? 1_000_000 : 50 + 50 * random.Below(20)));
        var payment = shape.Enterprise ? "INVOICE" : random.Pick(SampleWords.PaymentMethods);
        var iban = payment == "DIRECT_DEBIT"
            ? string.Create(CultureInfo.InvariantCulture, $"DE{10 + random.Below(89)}{random.Below(1_000_000_000):D9}{random.Below(1_000_000_000):D9}")
            : random.Chance(10) ? "" : null;
        return new(
            shape.AccountId, account.CustomerId, $"A{shape.AccountId:D10}", status, random.Pick(SampleWords.Currencies), balance, limit,
            1 + random.Below(28), payment, iban, Preferences(ref random), opened, closed, MomentIn(ref random, StartOf(SamplePlan.Months - 1)));
    }

    private static string? Preferences(ref SampleRandom random)
    {
        if (random.Chance(30))
        {
            return random.Chance(20) ? "{}" : null;
        }

        var channels = random.Below(3) switch { 0 => "[\"email\"]", 1 => "[\"sms\", \"email\"]", _ => "[]" };
        var total = random.Chance(5) ? ulong.MaxValue : (ulong)random.Below(10_000_000_000L);
        return string.Create(CultureInfo.InvariantCulture,
            $"{{\"lang\": \"{random.Pick(SampleWords.Languages)}\", \"limits\": {{\"daily\": {random.Below(500)}, \"month\": {random.Below(1000)}.{1 + random.Below(9)}, \"total\": {total}}}, \"channels\": {channels}, \"paperless\": {(random.Chance(50) ? "true" : "false")}}}");
    }

    private SubscriberRow Subscriber(in PlacedAccount account, int index)
    {
        var id = account.FirstSubscriberId + (ulong)index;
        var random = new SampleRandom(Seed, Sequence.Subscriber, (long)id);
        // 3^18 has no factor in common with 10^9: every id below 10^9 gives another nine digits.
        var phone = string.Create(CultureInfo.InvariantCulture, $"+4915{id * 387_420_489 % 1_000_000_000:D9}");
        var imsi = random.Chance(4) ? (ulong?)null : 262_010_000_000_000 + (ulong)random.Below(10_000_000_000L);
        var name = random.Below(100) switch
        {
            < 75 => $"{random.Pick(SampleWords.FirstNames)} {random.Pick(SampleWords.LastNames)}",
            < 85 => "",
            _ => (string?)null,
        };
        var terminated = account.Shape.Closed || random.Chance(3);
        var status = terminated ? "TERMINATED" : random.Chance(4) ? "SUSPENDED" : "ACTIVE";
        var pin = random.Chance(25) ? null : $"{random.Next():X16}{random.Next():X16}{random.Next():X16}{random.Next():X16}";
        var activated = account.Shape.FirstMonth == 0 ? MomentBefore(ref random, 2500) : StartOf(account.Shape.FirstMonth).AddSeconds(-1 - random.Below(3_600));
        return new(
            id, account.Shape.AccountId, phone, imsi, name, status, random.Pick(SampleWords.Features), pin, activated,
            terminated ? MomentIn(ref random, StartOf(Math.Min(account.Shape.LastMonth + 1, SamplePlan.Months - 1))) : null);
    }

    private AgreementRow Agreement(ulong id, in PlacedAccount account, int subscriber)
    {
        var random = new SampleRandom(Seed, Sequence.Agreement, (long)id);
        var start = WindowStart.AddDays(StartOf(account.Shape.FirstMonth).Subtract(WindowStart).Days - random.Below(700));
        var status = account.Shape.Closed || random.Chance(6) ? "ENDED" : random.Chance(3) ? "PENDING" : "ACTIVE";
        var end = status == "ENDED"
            ? StartOf(SamplePlan.Months - 1).AddDays(random.Below(31))
            : random.Chance(45) ? new DateTime(Year + 1, 1, 1).AddDays(random.Below(900)) : (DateTime?)null;
        var terms = random.Below(100) switch { < 55 => Terms(ref random), < 60 => "[]", _ => null };
        return new(
            id, account.FirstSubscriberId + (ulong)subscriber, account.Shape.AccountId, random.Pick(SampleWords.Products), status,
            Cents(499 + 500 * random.Below(16)), random.Chance(25) ? Cents(250 * (1 + random.Below(20))) : null, start, end, random.Chance(80), terms);
    }

    private static string Terms(ref SampleRandom random) => string.Create(CultureInfo.InvariantCulture,
        $"{{\"notes\": {(random.Chance(20) ? "\"äöü 🎯\"" : "null")}, \"roaming\": {{\"eu\": {(random.Chance(70) ? "true" : "false")}, \"world\": 0.{1 + random.Below(9)}}}, \"allowance\": {{\"data_mb\": {1024 * (1 + random.Below(64))}, \"minutes\": {100 * random.Below(50)}}}}}");
}
