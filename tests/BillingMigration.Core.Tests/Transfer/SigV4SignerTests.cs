using System.Text;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using Amazon.Runtime;
using BillingMigration.Transfer;
using Xunit;

namespace BillingMigration.Tests.Transfer;

public sealed class SigV4SignerTests
{
    private const string Date = "20150830T123600Z";
    private const string Token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
    private static readonly ImmutableCredentials Example = new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", null);

    // The published AWS Signature Version 4 test suite (aws-sig-v4-test-suite).
    [Theory]
    [InlineData("get-vanilla", "GET", "", "", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")]
    [InlineData("post-vanilla", "POST", "", "", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")]
    [InlineData("get-vanilla-query-order-key-case", "GET", "Param1=value1&Param2=value2", "", "", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")]
    [InlineData("get-header-key-duplicate", "GET", "", "my-header1=value2,value2,value1", "", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea")]
    [InlineData("get-header-value-multiline", "GET", "", "my-header1=value1,value2,value3", "", "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790")]
    [InlineData("post-header-key-sort", "POST", "", "my-header1=value1", "", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c")]
    [InlineData("post-x-www-form-urlencoded", "POST", "", "content-type=application/x-www-form-urlencoded", "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a")]
    [InlineData("post-sts-header-before", "POST", "", "x-amz-security-token=" + Token, "", "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead")]
    public void A_request_of_the_published_test_suite_gets_its_published_signature(
        string name, string method, string query, string header, string body, string signature)
    {
        List<SignedHeader> headers = [new("host", "example.amazonaws.com"), new("x-amz-date", Date)];
        if (header.Length > 0)
        {
            var parts = header.Split('=', 2);
            headers.Add(new(parts[0], parts[1]));
        }

        headers.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        var signer = new SigV4Signer("us-east-1", "service");
        var expected = $"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={string.Join(';', headers.Select(h => h.Name))}, Signature={signature}";
        for (var again = 0; again < 2; again++)
        {
            Assert.Equal(expected, signer.Authorize(method, "/", query, headers.ToArray(), Encoding.UTF8.GetBytes(body), Date, Example));
        }

        Assert.NotEmpty(name);
    }

    [Fact]
    public void The_key_of_the_day_and_secret_is_made_anew_when_either_changes()
    {
        var signer = new SigV4Signer("us-east-1", "service");
        var first = Sign(signer, Date, Example);
        var tomorrow = Sign(signer, "20150831T123600Z", Example);
        var other = Sign(signer, "20150831T123600Z", new ImmutableCredentials("AKIDEXAMPLE", "another", null));
        Assert.Equal(3, new HashSet<string> { first, tomorrow, other }.Count);
        Assert.Equal(first, Sign(signer, Date, Example));
        Assert.Equal(tomorrow, Sign(new SigV4Signer("us-east-1", "service"), "20150831T123600Z", Example));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(Token)]
    public async Task A_batch_is_signed_as_the_SDK_signs_it(string? token)
    {
        var captured = new CapturingHandler();
        var config = new AmazonDynamoDBConfig
        {
            ServiceURL = "http://127.0.0.1:1", AuthenticationRegion = "eu-central-1", HttpClientFactory = new CapturingFactory(captured), MaxErrorRetry = 0,
        };
        AWSCredentials credentials = token is null ? new BasicAWSCredentials("AKID", "secret/+") : new SessionAWSCredentials("AKID", "secret/+", token);
        using var client = new AmazonDynamoDBClient(credentials, config);
        await client.BatchWriteItemAsync(
            new BatchWriteItemRequest
            {
                RequestItems = new()
                {
                    ["billing"] = [new WriteRequest(new PutRequest(new() { ["pk"] = new("ACCOUNT#1"), ["sk"] = new("Grüße ✓") }))],
                },
            },
            TestContext.Current.CancellationToken);

        var theirs = captured.Headers["Authorization"];
        var names = theirs.Split("SignedHeaders=")[1].Split(',')[0].Split(';');
        var headers = names.Select(n => new SignedHeader(n, n == "host" ? "127.0.0.1:1" : captured.Headers[n])).ToArray();
        var signer = new SigV4Signer("eu-central-1", "dynamodb");
        var owner = await credentials.GetCredentialsAsync();
        Assert.Contains("x-amz-target", names);
        Assert.Equal(theirs, signer.Authorize("POST", "/", "", headers, captured.Body, captured.Headers["x-amz-date"], owner));
    }

    private static string Sign(SigV4Signer signer, string date, ImmutableCredentials credentials) =>
        signer.Authorize("GET", "/", "", [new("host", "example.amazonaws.com"), new("x-amz-date", date)], [], date, credentials);

    private sealed class CapturingFactory(HttpMessageHandler handler) : HttpClientFactory
    {
        public override HttpClient CreateHttpClient(IClientConfig clientConfig) => new(handler, disposeHandler: false);
    }

    private sealed class CapturingHandler : HttpMessageHandler
    {
        public Dictionary<string, string> Headers { get; } = new(StringComparer.OrdinalIgnoreCase);

        public byte[] Body { get; private set; } = [];

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Body = await request.Content!.ReadAsByteArrayAsync(cancellationToken);
            foreach (var (name, values) in request.Headers.NonValidated.Concat(request.Content.Headers.NonValidated))
            {
                Headers[name] = string.Join(',', values);
            }

            return new HttpResponseMessage { Content = new StringContent("{\"UnprocessedItems\":{}}") };
        }
    }
}
